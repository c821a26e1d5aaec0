import { isRequestOver } from '../../src/contract/request.ts';
import type { BenchDaemon, BenchHome } from './bench-home.ts';
import { clockNow, type FactWatch } from './fact-watch.ts';

/** A request of one task, without a planner; the times are ms from the call to the moment when a reader saw it. */
export type OneTask = {
  /** That the agent has taken its first prompt. */
  readonly accepted: Promise<number>;
  /** That all is over, and done. */
  readonly done: Promise<number>;
};

export async function submitOne(
  { project }: BenchHome,
  { client }: BenchDaemon,
  watch: FactWatch,
  text: string,
): Promise<OneTask> {
  const began = clockNow();
  const { id } = await client.call('requests.submit', { text, project, options: { isSingleTask: true } });
  const accepted = watch.next(`a prompt of ${id}`, (fact) => fact.kind === 'prompt.accepted' && fact.requestId === id);
  const over = watch.next(
    `the end of ${id}`,
    ({ kind, data }) => kind === 'request.changed' && data.row.id === id && isRequestOver(data.row.state),
  );
  return {
    accepted: accepted.then(({ at }) => at - began),
    done: over.then(({ at, fact: { kind, data } }) => {
      if (kind === 'request.changed' && data.to !== 'done') throw new Error(`a request of the benchmark is ${data.to}`);
      return at - began;
    }),
  };
}
