import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProjectId, RequestId, TaskId } from '../../contract/ids.ts';
import { type Candidate, type Capacity, choose, roleKey } from './scheduler.ts';

const task = (n: number, over: Partial<Candidate> = {}): Candidate => ({
  id: `tsk_00000${n}` as TaskId,
  requestId: 'req_000001' as RequestId,
  projectId: 'prj_000001' as ProjectId,
  backend: 'fake',
  role: 'worker',
  target: null,
  priority: 2,
  requestCreatedAt: 1,
  position: n,
  createdAt: 1,
  files: [],
  ...over,
});
const room: Capacity = {
  maxParallel: 10,
  perRequest: new Map(),
  perBackend: new Map(),
  perProject: new Map(),
  perRole: new Map(),
  unusable: new Map(),
  stopped: new Map(),
  busy: new Map(),
  overBudget: new Map(),
  memory: {
    left: Number.POSITIVE_INFINITY,
    expected: new Map([['fake', { bytes: 200, text: 'fake takes 200' }]]),
    text: '',
  },
};

describe('a task waits, with the reason,', () => {
  const project = task(1).projectId;
  const two = [task(1), task(2)];
  it.each<[string, Partial<Capacity>, number, RegExp]>([
    [
      'for the limit of its role',
      { perRole: new Map([[roleKey(project, 'worker'), 1]]) },
      1,
      /limit of 1 sessions of role worker/,
    ],
    ['for the limit of its project', { perProject: new Map([[project, 1]]) }, 1, /limit of 1 at once for this project/],
    ['in an emergency stop', { stopped: new Map([[project, 'emergency stop: gantry thaw']]) }, 0, /gantry thaw/],
    [
      'for a budget',
      { overBudget: new Map([task(1), task(2)].map((t) => [t.id, 'the request has cost $2'])) },
      0,
      /has cost/,
    ],
    [
      'for memory',
      { memory: { ...room.memory, left: 399, text: 'memory: 10 are free' } },
      1,
      /10 are free; fake takes 200/,
    ],
  ])('%s', (_, capacity, started, reason) => {
    const choice = choose(two, [], { ...room, ...capacity });
    expect(choice.start).toHaveLength(started);
    expect(choice.waiting[0]?.reason).toMatch(reason);
  });

  it('for the one agent that is to do it', () => {
    const target = 'p/worker/w1';
    const mine = [task(1, { target }), task(2, { target }), task(3, { target: 'p/worker/w2' })];
    const busy = new Map([['p/worker/w2', 'p/worker/w2 is stopped']]);
    expect(choose(mine, [], { ...room, busy })).toMatchObject({
      start: [task(1).id],
      waiting: [{ reason: `${target} has ${task(1).id}` }, { reason: 'p/worker/w2 is stopped' }],
    });
  });
});

describe('choose', () => {
  it('starts by priority, then age of the request, then place in the plan', () => {
    const old = task(3, { requestId: 'req_000002' as RequestId, requestCreatedAt: 0 });
    const urgent = task(4, { priority: 0 });
    expect(choose([task(2), task(1), old, urgent], [], room).start).toEqual([
      urgent.id,
      old.id,
      task(1).id,
      task(2).id,
    ]);
  });

  it('keeps tasks apart that expect to change the same file or a directory above it', () => {
    const a = task(1, { files: ['src/a.ts'] });
    const b = task(2, { files: ['./src/'] });
    const c = task(3, { files: ['src2/a.ts'] });
    const choice = choose([a, b, c], [], room);
    expect(choice.start).toEqual([a.id, c.id]);
    expect(choice.waiting).toEqual([
      { id: b.id, position: 1, reason: `./src/ is being changed by ${a.id}`, isPassing: false, isMemory: false },
    ]);
  });

  it('lets the same paths of different projects run together', () => {
    const a = task(1, { files: ['x'] });
    const b = task(2, { files: ['x'], projectId: 'prj_000002' as ProjectId });
    expect(choose([a, b], [], room).start).toHaveLength(2);
  });

  it('counts what is active against every limit, and says which limit holds a task', () => {
    const tight = { ...room, maxParallel: 2, perRequest: new Map([['req_000001' as RequestId, 1]]) };
    const other = task(3, { requestId: 'req_000002' as RequestId });
    const choice = choose([task(2), other, task(4, { requestId: 'req_000003' as RequestId })], [task(1)], tight);
    expect(choice.start).toEqual([other.id]);
    expect(choice.waiting.map((w) => w.reason)).toEqual([
      'limit of 1 at once for this request is reached',
      'limit of 2 attempts at once is reached',
    ]);
  });

  it('gives nothing to a backend that cannot be used, with its cause', () => {
    const choice = choose([task(1)], [], { ...room, unusable: new Map([['fake', 'it is down']]) });
    expect(choice).toEqual({
      start: [],
      waiting: [
        {
          id: task(1).id,
          position: 1,
          reason: 'backend fake cannot be used: it is down',
          isPassing: false,
          isMemory: false,
        },
      ],
    });
  });

  it('never exceeds a limit, never starts two tasks with overlapping files, and drops none', () => {
    const path = fc.constantFrom('a', 'a/b', 'a/b/c', 'd', 'd/e', 'f');
    const candidates = fc.array(
      fc.record({ files: fc.array(path, { maxLength: 3 }), priority: fc.integer({ min: 0, max: 4 }) }),
      {
        maxLength: 12,
      },
    );
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 5 }), (specs, maxParallel) => {
        const ready = specs.map((spec, n) => task(n, spec));
        const { start, waiting } = choose(ready, [], { ...room, maxParallel });
        expect(start.length).toBeLessThanOrEqual(maxParallel);
        expect(start.length + waiting.length).toBe(ready.length);
        const started = ready.filter((t) => start.includes(t.id));
        for (const a of started) {
          for (const b of started) if (a !== b) expect(overlaps(a.files, b.files)).toBe(false);
        }
      }),
    );
  });
});

const overlaps = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((x) => b.some((y) => x === y || x.startsWith(`${y}/`) || y.startsWith(`${x}/`)));
