import type { EventParts } from '../api/events/door.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { IncomingEvent } from '../engine/observations/events.ts';
import { decodeEvent } from '../ingest/event.ts';
import { hookEvent } from '../ingest/hook.ts';
import { parseJson } from '../ingest/json.ts';
import { spoolOf } from './hook-script.ts';
import { makePrivateDirectory } from './private-file.ts';
import { Spool, type SpooledHook, type SpoolOptions } from './spool.ts';

/** Whoever can write into the home's spool is the person at this machine, or a program of theirs. */
const SPOOL: Caller = { actor: 'spool', scope: 'ingest', agent: null };
const MAX_DEPTH = 200;

type Parts = Pick<EventParts, 'events' | 'rules'>;

/** Records what hooks leave in the home's spool until it is closed. */
export function readSpool(home: string, parts: Parts, clock: Clock, log: Log): Spool {
  const directory = spoolOf(home);
  makePrivateDirectory(directory);
  return new Spool({ directory, take: recording(parts, clock), log });
}

/** The file's name is the event's id, so that a repeat is the same event. */
const recording =
  ({ events, rules }: Parts, clock: Clock): SpoolOptions['take'] =>
  async (hooks) => {
    const decoded = hooks.map((hook) => decode(hook, rules, clock));
    const accepted = decoded.flatMap((one) => (one instanceof AppError ? [] : [one]));
    if (accepted.length > 0) await events.observe(accepted, { caller: SPOOL, tokenId: null });
    return decoded.map((one) => (one instanceof AppError ? one : null));
  };

/** The event, or why it is refused. */
function decode({ id, source, json }: SpooledHook, rules: Parts['rules'], clock: Clock): IncomingEvent | AppError {
  try {
    const event = hookEvent(parseJson(json, MAX_DEPTH), source);
    const isClean = !rules.mask.mayHold(json);
    const { eventId: _, ...decoded } = decodeEvent(event, { ...rules, now: clock.now() }, isClean);
    return { ...decoded, key: `event ${id}` };
  } catch (error) {
    // Only the event was looked at: whatever is wrong is wrong with it, and would be again the next time.
    return toAppError(error);
  }
}
