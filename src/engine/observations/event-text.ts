import type { EventNotes, HumanInTheLoopStatus } from '../../contract/event.ts';
import type { EventReader, EventRow } from '../../store/events.ts';

/** The notes of Gantry come first in what is stored; ids and numbers only, so that their end is found without parsing. */
const NOTES = /^\{"gantry":(\{(?:[^{}]|\{[^{}]*\})*\}),/;
/** What a sender left empty comes last. */
const EMPTY = /(?:,"summary":"")?(?:,"model_name":"")?\}$/;

/** A stored event taken apart, without parsing what its sender said. */
export type EventParts = {
  readonly id: number;
  readonly at: number;
  readonly notes: EventNotes;
  /** JSON from the first key of the sender's to the end. */
  readonly rest: string;
};

export function partsOf({ seq, at, json }: EventRow): EventParts {
  const found = NOTES.exec(json);
  const notes = JSON.parse(found?.[1] ?? '{"token":null}') as EventNotes;
  return { id: seq, at, notes, rest: json.slice(found?.[0].length ?? 1) };
}

/** Its transcript: all of it, or that it was left out. */
type Chat = { readonly json: string } | { readonly omitted: number } | null;

/** The event as the API hands it out. `isReadBack`: without what its sender left empty. */
export function eventJson(
  { id, at, rest }: EventParts,
  {
    chat,
    status,
    isReadBack,
  }: { readonly chat: Chat; readonly status: HumanInTheLoopStatus | null; readonly isReadBack: boolean },
): string {
  const said = isReadBack ? rest.replace(EMPTY, '}') : rest;
  const own = status === null ? '' : `"humanInTheLoopStatus":${JSON.stringify(status)},`;
  return `{"id":${id},"received_at":${at},${own}${chatJson(chat)}${said}`;
}

function chatJson(chat: Chat): string {
  if (chat === null) return '';
  return 'json' in chat ? `"chat":${chat.json},` : `"chatOmitted":${chat.omitted},`;
}

/** The transcript that an event came with. */
export function chatOf(events: EventReader, parts: EventParts): Chat {
  const { chat } = parts.notes;
  const json = chat === undefined ? null : events.chat(chat.id, chat.count);
  return json === null ? omittedOf(parts) : { json };
}

/** The same where it is left out. */
export const omittedOf = ({ notes: { chat } }: EventParts): Chat =>
  chat === undefined ? null : { omitted: chat.count };
