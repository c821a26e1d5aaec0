import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Capability } from '../../../src/backends/backend.ts';
import { until } from '../../../src/base/wait.ts';
import { LIMIT_MS, openSpec } from '../../support/backend-session.ts';
import { leftovers } from '../../support/leftovers.ts';
import { asked, expectNothingLeft, type Law, makeMark, openIn } from './rig.ts';

const STUBBORN = fileURLToPath(new URL('../../fixtures/process/stubborn.mjs', import.meta.url));

export function endingLaws(law: Law): void {
  law('close leaves no descendant, neither of a session nor of the backend', async (bench) => {
    const place = await bench.newPlace();
    const backend = bench.newBackend(place);
    const other = await openIn(place, backend);
    const live = await openIn(place, backend);
    // Its child has a session of its own; both ignore TERM and listen.
    await live.turn(bench.rig.scenes.run(`'${process.execPath}' '${STUBBORN}' > made/out 2>&1 < /dev/null &`));
    const listeners = await until(
      async () => {
        const found = ((await leftovers(place.root)) ?? []).filter(
          (one) => one.command.includes(STUBBORN) && one.ports.length > 0,
        );
        return found.length === 2 || process.platform !== 'linux' ? found : null;
      },
      { everyMs: 50, limitMs: LIMIT_MS },
      () => new Error('the children did not start'),
    );
    const report = await live.close(300);
    expect(report.survivors).toEqual([]);
    const left = ((await leftovers(place.root)) ?? []).map((one) => one.pid);
    for (const { pid } of listeners) expect(left).not.toContain(pid);
    expect(await other.turn(bench.rig.scenes.answer('unharmed'))).toMatchObject({
      outcome: 'done',
      text: 'unharmed',
    });
    await Promise.all([backend.close(500), backend.close(500)]);
    expect(await other.ended()).toEqual({ type: 'closed' });
    await expectNothingLeft(place);
  });

  law('a closed session has ended once, refuses prompts and closes again', async ({ rig, borrow }) => {
    const live = await borrow();
    const [one, two] = await Promise.all([live.close(), live.close()]);
    expect(two).toBe(one);
    expect(await live.ended()).toEqual({ type: 'closed' });
    expect(live.events.of('ended')).toHaveLength(1);
    expect(live.events.all.at(-1)?.type).toBe('ended');
    const { receipt } = await live.send(rig.scenes.answer('too late'));
    expect(receipt).toMatchObject({ type: 'refused', failure: { message: expect.stringMatching(/\w+/) } });
    expect(await live.session.answer('any', { type: 'deny', reason: 'too late' })).toBe('gone');
  });

  law('a session is closed in mid-turn, and the waiting prompt refused', async ({ rig, borrow }) => {
    const live = await borrow();
    const mark = makeMark();
    await live.send(`${mark} ${rig.scenes.hold(makeMark(), 'never')}`);
    await asked(rig, mark);
    const waiting = live.send(rig.scenes.answer('never'));
    await live.close();
    expect(await live.ended()).toEqual({ type: 'closed' });
    expect((await waiting).receipt.type).toBe('refused');
  });

  law('a sweep ends what an earlier daemon has left', async ({ newPlace, newBackend }) => {
    const place = await newPlace();
    const before = newBackend(place);
    const live = await openIn(place, before);
    const pids = place.book.all().map((entry) => entry.record?.pid);
    const after = newBackend(place);
    const swept = await after.sweep(new Set());
    expect(swept.flatMap((one) => one.pids)).toEqual(expect.arrayContaining(pids));
    for (const { what } of swept) expect(what).toMatch(/\w+ \w+/);
    await expectNothingLeft(place);
    expect((await live.ended()).type).toBe('died');
    expect(await after.sweep(new Set())).toEqual([]);
    await after.close(500);
    await before.close(500);
  });

  law('a sweep leaves alone what is in use', async ({ rig, borrow, backend }) => {
    await using live = await borrow();
    await backend.sweep(new Set());
    expect(await live.turn(rig.scenes.answer('untouched'))).toMatchObject({ outcome: 'done', text: 'untouched' });
  });

  law('capabilities are what the suite has seen', async ({ backend, capabilities, borrow }) => {
    expect(backend.capabilities).toEqual(capabilities);
    expect(typeof backend.release).toBe(capabilities.survivesRestart ? 'function' : 'undefined');
    await using live = await borrow();
    expect((live.session.view ?? live.session.lend) !== undefined).toBe(capabilities.attach);
    expect(typeof backend.lent).toBe(typeof live.session.lend);
  });

  for (const capability of ['resume', 'fork', 'interrupt', 'transcript', 'mcp'] as const satisfies Capability[]) {
    law(`what the backend cannot do is refused: ${capability}`, async ({ backend, capabilities, borrow, place }) => {
      if (capabilities[capability]) return;
      const refusal = { name: 'AppError', code: 'unsupported', message: expect.stringContaining(capability) };
      if (capability === 'resume' || capability === 'fork') {
        const from = { type: capability, nativeId: 'any' };
        await expect(backend.open(openSpec(place.project, { from }))).rejects.toMatchObject(refusal);
      } else if (capability === 'mcp') {
        const mcp = { one: { type: 'local', command: ['true'], environment: {} } } as const;
        await expect(backend.open(openSpec(place.project, { mcp }))).rejects.toMatchObject(refusal);
      } else {
        await using live = await borrow();
        await expect(live.session[capability]()).rejects.toMatchObject(refusal);
      }
    });
  }
}
