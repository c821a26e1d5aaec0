import type { Caller } from '../../src/contract/caller.ts';
import type { RequestId } from '../../src/contract/ids.ts';
import { isRequestOver, type Request } from '../../src/contract/request.ts';
import { type EngineOptions, startEngine, type TestEngine } from './engine.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';

export const person: Caller = { actor: 'person', scope: 'admin', agent: null };

export type Bench = TestEngine & { readonly repo: TestRepository };

/** An engine with the fake backend, and a repository to work on. */
export async function bench(options: Partial<EngineOptions> = {}): Promise<Bench> {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir());
  const repo = stack.use(await makeRepository());
  const test = stack.use(await startEngine({ home: home.path, ...options }));
  return Object.assign(Object.create(test) as TestEngine, { repo, [Symbol.asyncDispose]: () => stack.disposeAsync() });
}

export const submit = (test: TestEngine, root: string, text: string, options = {}): Promise<Request> =>
  test.engine.submit({ text, project: root, isDirtyAllowed: false, options }, person);

/** A request of one task that the fake agent plays. */
export const submitSteps = (test: Bench, steps: readonly object[]): Promise<Request> =>
  submit(test, test.repo.root, `Do it. @@fake ${JSON.stringify(steps)}`, { isSingleTask: true });

export const over = (test: TestEngine, id: RequestId): Promise<Request> =>
  test.until('the end of the request', () => {
    const request = test.store.read.requests.need(id);
    return isRequestOver(request.state) && request;
  });
