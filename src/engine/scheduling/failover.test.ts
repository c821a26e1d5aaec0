import { describe, expect, it } from 'vitest';
import { type Bench, bench, over, person, submitSteps } from '../../../test/support/engine-bench.ts';
import type { RoleSettings } from '../../contract/config.ts';

/** A first backend whose program ends at once, and a second one that works. */
const broken = (fallback: RoleSettings['fallback'], start = 'exit=3') =>
  bench({
    fake: { env: { GANTRY_FAKE_START: start } },
    second: {},
    roles: { worker: { maxAttempts: 2, ...(fallback && { fallback }) } },
  });

const steps = [{ write: { path: 'a', content: 'x' } }, { text: 'end' }];
const backends = (test: Bench): string[] => test.store.read.attempts.list({}).map((a) => `${a.backend} ${a.state}`);
const notices = (test: Bench): string[] =>
  test.store.journal
    .since(0, { kinds: ['notice'], limit: 100 })
    .facts.flatMap(({ data }) => ('text' in data ? [String(data.text)] : []));

describe('a backend that cannot be used', () => {
  it('hands its task to the next of the chain by itself where the role says auto; a fact names both', async () => {
    await using test = await broken({ mode: 'auto', chain: ['fake-two'] });
    const { id } = await submitSteps(test, steps);
    expect((await over(test, id)).state).toBe('done');
    expect(backends(test)).toEqual(['fake failed', 'fake-two done']);
    expect(notices(test)).toEqual([expect.stringMatching(/goes from fake to fake-two: .*exit code 3/)]);
    // Known by now: the next task does not even try it.
    const next = await submitSteps(test, steps);
    expect((await over(test, next.id)).state).toBe('done');
    expect(backends(test)).toEqual(['fake failed', 'fake-two done', 'fake-two done']);
    const rows = await test.engine.queries.agents({});
    expect(rows.find((row) => row.state === 'error')).toMatchObject({
      backend: 'fake',
      error: expect.stringContaining('exit code 3'),
    });
  });

  it('asks a person first where the role says ask, and does nothing else until then', async () => {
    await using test = await broken({ chain: ['fake-two'] });
    const { id } = await submitSteps(test, steps);
    const asked = await test.until('the approval', () => test.store.read.approvals.list({ state: 'pending' })[0]);
    expect(asked.cause).toMatch(/May fake-two take/);
    expect(backends(test)).toEqual(['fake failed']);
    test.engine.decide(asked.id, { type: 'allow', scope: 'once', expiresAt: null }, person);
    expect((await over(test, id)).state).toBe('done');
    expect(backends(test)).toEqual(['fake failed', 'fake-two done']);
  });

  it('lets its task wait, with the reason, where the role says off; no attempt is spent', async () => {
    await using test = await broken({ mode: 'off' });
    const { id } = await submitSteps(test, steps);
    const row = await test.until('the queue', () =>
      test.engine.queries.queue(undefined).find((r) => r.state === 'deferred'),
    );
    expect(row.reason).toMatch(/backend fake cannot be used: .*exit code 3.*; it waits for it; goes on at/);
    const task = test.store.read.tasks.list({ requestId: id })[0];
    expect((task?.attempts ?? 0) - (task?.attemptsBase ?? 0)).toBe(0);
    await test.engine.cancel(id, undefined, person);
  });

  it('costs attempts as ever where the role says nothing', async () => {
    await using test = await broken(undefined);
    const { id } = await submitSteps(test, steps);
    await over(test, id);
    expect(backends(test)).toEqual(['fake failed', 'fake failed']);
    expect(test.store.read.tasks.list({ requestId: id })[0]?.state).toBe('waiting');
  });
});

describe('a quota that is used up', () => {
  it('is waited for until it resets, without an attempt; nothing else is launched into it meanwhile', async () => {
    await using test = await bench();
    const fail = { class: 'quota', message: 'used up', resetInMs: 4_000 };
    const first = await submitSteps(test, [{ once: 'quota', fail }, ...steps]);
    await test.until('the wait', () => test.store.read.tasks.list({ state: 'deferred' })[0]);
    const second = await submitSteps(test, steps);
    const row = await test.until('the queue', () =>
      test.engine.queries.queue(undefined).find((r) => r.requestId === second.id),
    );
    expect(row.reason).toMatch(/backend fake cannot be used: used up; tried again at/);
    expect((await over(test, first.id)).state).toBe('done');
    expect((await over(test, second.id)).state).toBe('done');
    const [failed] = test.store.read.attempts.list({ requestId: first.id });
    const [begun] = test.store.read.attempts.list({ requestId: second.id });
    expect(failed?.failure?.resetAt).toBeGreaterThan(0);
    expect(begun?.createdAt).toBeGreaterThanOrEqual(failed?.failure?.resetAt ?? Number.NaN);
  });
});
