import type { InputOf, OutputOf } from '../contract/api.ts';
import type { StreamMessage } from '../contract/fact.ts';
import { emptyView, fold, type View } from '../contract/fold.ts';
import type { CallOptions } from './call.ts';
import { type Patience, Reconnect } from './reconnect.ts';
import type { StreamOptions } from './stream.ts';

/** What a view is made from: a client. */
export type ViewSource = {
  readonly call: (name: 'view', input: InputOf<'view'>, options: CallOptions) => Promise<OutputOf<'view'>>;
  readonly stream: (options: StreamOptions) => AsyncIterable<StreamMessage>;
};

export type ViewOptions = Patience & {
  /** Only this request and what belongs to it. */
  readonly requestId?: InputOf<'view'>['requestId'];
};

/**
 * The view of a daemon, given after its snapshot and after every fact: the same object each time, changed in between.
 * Goes on over lost connections; after a gap it starts from a new snapshot. Ends when `signal` aborts.
 * @throws AppError of a refusal, such as unauthorized or not_found; daemon_unreachable at once for the first snapshot,
 * later after `giveUpMs` without a connection
 */
export async function* followView(
  source: ViewSource,
  { requestId, signal, giveUpMs }: ViewOptions = {},
): AsyncGenerator<View, void, undefined> {
  const reconnect = new Reconnect({ signal, giveUpMs });
  let snapshot: OutputOf<'view'> | null = await source.call('view', { requestId }, { signal });
  while (snapshot !== null) {
    const view = viewOf(snapshot);
    yield view;
    for await (const message of source.stream({ since: view.seq, requestId, signal, giveUpMs })) {
      if (message.type === 'gap') break;
      if (message.type === 'live') continue;
      fold(view, message.fact);
      yield view;
    }
    snapshot = await retrying(() => source.call('view', { requestId }, { signal }), reconnect, signal);
  }
}

/** Null if `signal` aborts first. */
async function retrying<T>(
  ask: () => Promise<T>,
  reconnect: Reconnect,
  signal: AbortSignal | undefined,
): Promise<T | null> {
  while (!signal?.aborted) {
    try {
      const answer = await ask();
      reconnect.connected();
      return answer;
    } catch (error) {
      if (!signal?.aborted) await reconnect.failed(error);
    }
  }
  return null;
}

/** A view as of a snapshot; what sessions are doing now comes with the facts after it. */
export function viewOf(snapshot: OutputOf<'view'>): View {
  const byId = <T extends { readonly id: string }>(rows: readonly T[]): Map<string, T> =>
    new Map(rows.map((row) => [row.id, row]));
  return {
    ...emptyView(),
    seq: snapshot.seq,
    projects: byId(snapshot.projects),
    requests: byId(snapshot.requests),
    tasks: byId(snapshot.tasks),
    attempts: byId(snapshot.attempts),
    sessions: byId(snapshot.sessions),
    agents: byId(snapshot.agents),
    approvals: byId(snapshot.approvals),
    grants: byId(snapshot.grants),
    messages: byId(snapshot.messages),
    merges: byId(snapshot.merges),
    alerts: new Map(snapshot.alerts.map(({ key, text }) => [key, text])),
  };
}
