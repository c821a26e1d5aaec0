import { AppError } from '../contract/errors.ts';
import { HumanInTheLoop } from '../contract/event.ts';
import { eventUsage } from '../contract/event-usage.ts';
import type { Usage } from '../contract/usage.ts';
import type { Mask } from './mask.ts';

/** What is accepted from a sender. */
export type EventRules = {
  readonly mask: Mask;
  /** Whether an answer may be sent to this address; says what is accepted if not. */
  readonly checkAddress: (address: string) => string | null;
  /** ms */
  readonly now: number;
};

/** An event that was checked and masked. */
export type DecodedEvent = {
  readonly source: string;
  readonly session: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly timestamp: number;
  /** As JSON, without what only Gantry says and without the transcript. */
  readonly text: string;
  /** The transcript, each message as JSON. */
  readonly chat: readonly string[] | null;
  readonly hitl: HumanInTheLoop | null;
  /** What it says was used, by which model. */
  readonly usage: { readonly model: string | null; readonly usage: Usage } | null;
  /** The sender's own id of it: a repeat is the same event. */
  readonly eventId: string | null;
};

type Issue = { readonly path: string; readonly message: string };

const MAX_NAME = 256;
const MAX_EVENT_ID = 128;
const MAX_AHEAD_MS = 86_400_000;
const MAX_TIMEOUT_S = 7 * 86_400;
/** What only Gantry says of an event. */
const OURS = ['id', 'received_at', 'humanInTheLoopStatus', 'respondedBy', 'gantry', 'chatOmitted'] as const;
const ISO_8601 = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks one event of a sender. `given` is the caller's own value, as JSON.parse made it, and is changed here.
 * `isClean`: its text was looked through and holds no secret.
 * @throws AppError bad_request with `issues`
 */
export function decodeEvent(given: unknown, rules: EventRules, isClean: boolean): DecodedEvent {
  if (!isObject(given)) throw new AppError('bad_request', 'Invalid request: an event is a JSON object');
  const issues: Issue[] = [];
  for (const key of ['source_app', 'session_id', 'hook_event_type']) checkName(given, key, issues);
  if (!isObject(given.payload)) issues.push({ path: 'payload', message: needed(given.payload, 'an object') });
  for (const key of OURS) if (Object.hasOwn(given, key)) delete given[key];
  for (const key of ['summary', 'model_name']) checkText(given, key, issues);
  if (given.chat === null) delete given.chat;
  if (given.chat !== undefined && !Array.isArray(given.chat)) {
    issues.push({ path: 'chat', message: 'expected an array of messages' });
  }
  given.timestamp = timestampOf(given.timestamp, rules.now, issues);
  const eventId = eventIdOf(given, issues);
  if (given.humanInTheLoop === null) delete given.humanInTheLoop;
  if (given.humanInTheLoop !== undefined) checkHitl(given.humanInTheLoop, rules, issues);
  if (issues.length > 0) throw refusal(issues);
  return encode(isClean ? given : rules.mask.value(given), eventId);
}

function encode(event: Record<string, unknown>, eventId: string | null): DecodedEvent {
  const { chat, humanInTheLoop, model_name: model } = event;
  const usage = eventUsage(event.hook_event_type as string, event.payload as Record<string, unknown>);
  delete event.chat;
  const empty = ['summary', 'model_name'].filter((key) => event[key] === '');
  for (const key of empty) delete event[key];
  // At its end, where a reader finds them at once: they are sent on as they came, and left out when they are read back.
  const tail = empty.map((key) => `,"${key}":""`).join('');
  return {
    source: event.source_app as string,
    session: event.session_id as string,
    type: event.hook_event_type as string,
    payload: event.payload as Record<string, unknown>,
    timestamp: event.timestamp as number,
    text: tail === '' ? JSON.stringify(event) : `${JSON.stringify(event).slice(0, -1)}${tail}}`,
    chat: chat === undefined ? null : (chat as unknown[]).map((message) => JSON.stringify(message)),
    hitl: humanInTheLoop === undefined ? null : (humanInTheLoop as HumanInTheLoop),
    usage: usage && { model: typeof model === 'string' && model !== '' ? model : null, usage },
    eventId,
  };
}

/** The sentence that the original's clients look for comes first. */
function refusal(issues: readonly Issue[]): AppError {
  const isMissing = issues.some(({ message }) => message.startsWith('missing'));
  const text = issues.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return new AppError('bad_request', `${isMissing ? 'Missing required fields' : 'Invalid request'}: ${text}`, {
    details: { issues },
  });
}

const needed = (value: unknown, what: string): string =>
  value === undefined || value === null || value === '' ? `missing: expected ${what}` : `expected ${what}`;

function checkName(given: Record<string, unknown>, key: string, issues: Issue[]): void {
  const value = given[key];
  if (typeof value !== 'string' || value === '') issues.push({ path: key, message: needed(value, 'a text') });
  else if (value.length > MAX_NAME) issues.push({ path: key, message: `expected at most ${MAX_NAME} characters` });
}

function checkText(given: Record<string, unknown>, key: string, issues: Issue[]): void {
  const value = given[key];
  if (value === null) delete given[key];
  else if (value !== undefined && typeof value !== 'string') issues.push({ path: key, message: 'expected a text' });
}

function timestampOf(value: unknown, now: number, issues: Issue[]): number {
  if (value === undefined || value === null || value === 0) return now;
  const isText = typeof value === 'string' && ISO_8601.test(value);
  const at = isText ? Date.parse(value) : typeof value === 'number' ? Math.round(value) : Number.NaN;
  if (Number.isFinite(at) && at >= 0 && at <= now + MAX_AHEAD_MS) return at;
  const message = 'expected milliseconds since 1970 or a time in ISO 8601, at most 24 h ahead';
  issues.push({ path: 'timestamp', message });
  return now;
}

function eventIdOf({ event_id: id }: Record<string, unknown>, issues: Issue[]): string | null {
  if (id === undefined || id === null) return null;
  if (typeof id === 'string' && id !== '' && id.length <= MAX_EVENT_ID) return id;
  issues.push({ path: 'event_id', message: `expected a text of 1 to ${MAX_EVENT_ID} characters` });
  return null;
}

function checkHitl(value: unknown, rules: EventRules, issues: Issue[]): void {
  const parsed = HumanInTheLoop.safeParse(value);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      issues.push({ path: ['humanInTheLoop', ...path].join('.'), message });
    }
    return;
  }
  const { type, choices, timeout, directory, responseWebSocketUrl: address } = parsed.data;
  if (directory !== undefined && type !== 'question') {
    issues.push({ path: 'humanInTheLoop.directory', message: 'expected with the type question only' });
  }
  if (type === 'choice' && (choices ?? []).length === 0) {
    issues.push({ path: 'humanInTheLoop.choices', message: 'expected at least one choice' });
  }
  if (typeof timeout === 'number' && !(timeout > 0 && timeout <= MAX_TIMEOUT_S)) {
    issues.push({
      path: 'humanInTheLoop.timeout',
      message: `expected seconds, more than 0 and at most ${MAX_TIMEOUT_S}`,
    });
  }
  const refused = address === undefined || address === '' ? null : rules.checkAddress(address);
  if (refused !== null) issues.push({ path: 'humanInTheLoop.responseWebSocketUrl', message: refused });
}
