import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { Problem } from '../contract/shapes.ts';
import type { Send } from './send.ts';

const Rejected = z.array(z.object({ index: z.int(), error: Problem }));
const Taken = z.object({ accepted: z.int(), rejected: Rejected });

/** What became of events that were sent: how many are recorded, and which are not, by their place. */
export type Observed = {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly detail: string }[];
};

/** Sends events as an outside program does, docs/events.md; at most 1,000. @throws AppError like `call` */
export async function observe(send: Send, events: readonly object[]): Promise<Observed> {
  if (events.length === 0) return { accepted: 0, rejected: [] };
  const headers = { 'Content-Type': 'application/json' };
  const told = (rejected: z.output<typeof Rejected>) =>
    rejected.map(({ index, error }) => ({ index, detail: error.detail ?? error.title }));
  try {
    const answer = await send('/events', { method: 'POST', headers, body: JSON.stringify(events) });
    const { accepted, rejected } = Taken.parse(JSON.parse(await answer.text()));
    return { accepted, rejected: told(rejected) };
  } catch (error) {
    // Where none can be accepted the whole is refused, with the reason of each.
    const none = error instanceof AppError ? Rejected.safeParse(error.details?.rejected).data : undefined;
    if (none === undefined) throw error;
    return { accepted: 0, rejected: told(none) };
  }
}
