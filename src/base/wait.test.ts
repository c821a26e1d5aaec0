import { describe, expect, it } from 'vitest';
import { deferred, firstOf } from './wait.ts';

describe('the first of several promises', () => {
  it('is what settles first, also if it has settled long ago or is rejected', async () => {
    const lasting = deferred<string>();
    expect(await firstOf([lasting.promise, Promise.resolve('at once')])).toBe('at once');
    const later = firstOf([lasting.promise, deferred<string>().promise]);
    lasting.resolve('lasting');
    expect(await later).toBe('lasting');
    expect(await firstOf([deferred<string>().promise, lasting.promise])).toBe('lasting');
    const failing = deferred<never>();
    const both = [firstOf([failing.promise]), firstOf([deferred<never>().promise, failing.promise])];
    failing.reject(new Error('broken'));
    for (const one of both) await expect(one).rejects.toThrow('broken');
    await expect(firstOf([failing.promise])).rejects.toThrow('broken');
  });

  it('leaves nothing behind at one that outlives it', async () => {
    let reactions = 0;
    class Lasting extends Promise<string> {
      // biome-ignore lint/suspicious/noThenProperty: what waits for it is counted
      override then: Promise<string>['then'] = (...given) => {
        reactions += 1;
        return super.then(...given);
      };
    }
    const lasting = new Lasting(() => undefined);
    for (let i = 0; i < 100; i += 1) await firstOf([lasting, Promise.resolve('at once')]);
    expect(reactions).toBe(1);
  });
});
