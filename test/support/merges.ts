import { writeFile } from 'node:fs/promises';
import type { Caller } from '../../src/contract/caller.ts';
import type { RequestId } from '../../src/contract/ids.ts';
import type { Merge } from '../../src/contract/merge.ts';
import { isRequestOver, type Request, type RequestOptions } from '../../src/contract/request.ts';
import type { Settings } from '../../src/engine/settings.ts';
import { type EngineOptions, startEngine, type TestEngine } from './engine.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';

export const person: Caller = { actor: 'person', scope: 'admin', agent: null };

export type MergeBench = TestEngine & {
  readonly repo: TestRepository;
  /** Lets a gate that waits for it go on. */
  readonly open: () => Promise<void>;
};

/** `HOLD` in a gate's command waits for `open`. */
export async function mergeBench(
  merge: Partial<Settings['merge']> = {},
  more: Pick<EngineOptions, 'limits' | 'roles'> = {},
): Promise<MergeBench> {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir());
  const repo = stack.use(await makeRepository());
  const door = repo.beside('door');
  const hold = `until test -e ${door}; do sleep 0.05; done`;
  const gates = (merge.gates ?? []).map((gate) => ({ ...gate, command: gate.command.replace('HOLD', hold) }));
  const given = { batchWait: 0, ...merge, gates };
  const test = stack.use(await startEngine({ home: home.path, merge: given, ...more }));
  return Object.assign(Object.create(test) as TestEngine, {
    repo,
    open: () => writeFile(door, ''),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  });
}

/** One task that writes these files; on one line, so that a request that resolves a conflict plays it again. */
export const writing = (files: Readonly<Record<string, string>>): string =>
  `Do it. @@fake ${JSON.stringify(Object.entries(files).map(([path, content]) => ({ write: { path, content } })))}`;

export async function done(test: MergeBench, text: string, options: Partial<RequestOptions> = {}): Promise<Request> {
  const given = { isSingleTask: true, ...options };
  const { id } = await test.engine.submit(
    { text, project: test.repo.root, isDirtyAllowed: false, options: given },
    person,
  );
  return await test.until(`the end of ${id}`, () => {
    const request = test.store.read.requests.need(id);
    return isRequestOver(request.state) && request;
  });
}

export const mergeOf = (test: TestEngine, requestId: RequestId): Merge | undefined =>
  test.store.read.merges.list({ requestId })[0];

export const mergeIn = (test: TestEngine, requestId: RequestId, ...states: readonly Merge['state'][]): Promise<Merge> =>
  test.until(`${requestId} ${states.join(' or ')}`, () => {
    const merge = mergeOf(test, requestId);
    return merge && states.includes(merge.state) && merge;
  });

export const branches = async (test: MergeBench): Promise<string[]> =>
  (await test.repo.git(['for-each-ref', '--format=%(refname:short)', 'refs/heads/'])).split('\n');
