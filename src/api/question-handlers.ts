import type { Clock } from '../base/clock.ts';
import type { ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import { TokenId } from '../contract/ids.ts';
import type { QUESTION_OPERATIONS, QuestionOutcome } from '../contract/question-operations.ts';
import type { Answer } from '../engine/approvals/foreign-question.ts';
import type { Engine } from '../engine/engine.ts';
import { decodeEvent } from '../ingest/event.ts';
import type { Access } from './access.ts';
import type { EventParts } from './events/door.ts';
import type { Handlers } from './handlers.ts';

type Parts = {
  readonly engine: Pick<Engine, 'pickableFiles'>;
  readonly events: Pick<EventParts, 'events' | 'rules'>;
  readonly access: Access;
  readonly clock: Clock;
};

const tokenOf = ({ tokenId }: Caller): TokenId | null => TokenId.nullable().catch(null).parse(tokenId);

/** Questions and progress of outside programs: events like all others, recorded the same way. */
export function questionHandlers(parts: Parts): Pick<Handlers, keyof typeof QUESTION_OPERATIONS> {
  const { engine, events, access, clock } = parts;
  const record = async (event: { source_app: string; [key: string]: unknown }, caller: Caller) => {
    const bound = access.list().find(({ id }) => id === caller.tokenId)?.sourceApp ?? null;
    if (bound !== null && bound !== event.source_app)
      throw new AppError('forbidden', `the token reports only for the source ${JSON.stringify(bound)}`);
    const { eventId, ...decoded } = decodeEvent(event, { ...events.rules, now: clock.now() }, false);
    const [recorded] = await events.events.observe([{ ...decoded, key: eventId }], {
      caller,
      tokenId: tokenOf(caller),
    });
    if (!recorded) throw new AppError('internal', 'the event was not recorded');
    return { id: recorded.id };
  };
  const outcomeOf = async (id: number, waitMs: number, caller: Caller): Promise<QuestionOutcome> => {
    try {
      const json = await events.events.response(id, waitMs, tokenOf(caller));
      return json === null ? PENDING : outcomeIn(JSON.parse(json) as Said);
    } catch (thrown) {
      const { code, message } = toAppError(thrown);
      if (code !== 'gone') throw thrown;
      return { state: 'denied', answer: null, decidedBy: null, reason: message };
    }
  };
  return {
    'questions.ask': (input, caller) => record(eventOf(input), caller),
    'questions.wait': ({ id, waitMs }, caller) => outcomeOf(id, waitMs, caller),
    'questions.withdraw': ({ id, reason }, caller) => {
      events.events.withdraw(id, reason, tokenOf(caller));
      return outcomeOf(id, 0, caller);
    },
    'questions.files': (input) => engine.pickableFiles(input),
    'progress.report': ({ message, percent, source, session }, caller) => {
      const own = events.events.ownName(caller) ?? { source, session };
      if (own.source === undefined || own.session === undefined)
        throw new AppError('bad_request', 'source, session: expected, unless an agent reports by its own token');
      const payload = { message, ...(percent !== undefined && { percent }) };
      const event = { source_app: own.source, session_id: own.session, payload, summary: message };
      return record({ ...event, hook_event_type: 'Progress' }, caller);
    },
  };
}

const PENDING: QuestionOutcome = { state: 'pending', answer: null, decidedBy: null, reason: null };

type Said = Answer & { readonly respondedBy: string | null };

function outcomeIn({ permission, reason, response, choice, respondedBy }: Said): QuestionOutcome {
  const state = permission === undefined ? 'answered' : permission ? 'allowed' : 'denied';
  return { state, answer: response ?? choice ?? null, decidedBy: respondedBy, reason: reason ?? null };
}

/** @throws AppError bad_request for a form that its type needs and has not */
function eventOf(input: ParsedInputOf<'questions.ask'>) {
  const { source, session, type, question, choices, tool, command, directory, key, timeoutMs } = input;
  if (type === 'file' && directory === undefined) throw new AppError('bad_request', 'directory: expected for a file');
  return {
    source_app: source,
    session_id: session,
    hook_event_type: 'Question',
    ...(key !== undefined && { event_id: key }),
    payload: { ...(tool && { tool_name: tool }), ...(command && { tool_input: { command } }) },
    humanInTheLoop: {
      question,
      type: type === 'file' ? 'question' : type,
      ...(type === 'choice' && { choices: choices ?? [] }),
      ...(type === 'file' && { directory }),
      ...(timeoutMs !== undefined && { timeout: timeoutMs / 1_000 }),
    },
  };
}
