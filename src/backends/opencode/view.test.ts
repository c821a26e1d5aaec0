import { expect, test } from 'vitest';
import { recordedScene } from '../../../test/support/opencode-scenes.ts';
import type { BackendEvent } from '../backend.ts';
import type { NativeEvent, NativePart } from './dialect.ts';
import { TurnView } from './view.ts';

const ROOT = 'ses_e048801ceffeLnvkuj2Q3NZAad';

function viewOf(): {
  readonly view: TurnView;
  readonly told: BackendEvent[];
  readonly play: (event: NativeEvent) => void;
} {
  const told: BackendEvent[] = [];
  const view = new TurnView(ROOT, (event) => told.push(event));
  view.begin();
  const play = (event: NativeEvent): void => {
    if (
      event.type === 'message' &&
      event.message.role === 'user' &&
      event.sessionId === ROOT &&
      event.message.createdAt > 0
    ) {
      view.addPrompt(event.message.id, event.message.createdAt);
    }
    if (event.type === 'message') view.message(event.message);
    if (event.type === 'part') view.part(event.part);
    if (event.type === 'delta') view.delta(event.partId, event.text);
  };
  return { view, told, play };
}

const brief = (event: BackendEvent): string => {
  switch (event.type) {
    case 'text-delta':
    case 'text':
      return `${event.type} ${event.text}`;
    case 'tool-started':
      return `${event.type} ${event.tool}`;
    case 'tool-ended':
      return `${event.type} ${event.tool} ${event.status}`;
    default:
      return event.type;
  }
};
/** Usage is told in between; each test of it looks at the sum. */
const words = (told: readonly BackendEvent[]): string[] => told.filter((e) => e.type !== 'usage').map(brief);

test('a turn is told in order: the call with its end, the text in pieces and whole', () => {
  const { told, play } = viewOf();
  for (const event of recordedScene('question')) play(event);
  expect(words(told)).toEqual([
    'tool-started question',
    'tool-ended question completed',
    'text-delta quest',
    'text-delta ion d',
    'text-delta one',
    'text question done',
  ]);
});

test('a sub-agent’s words are not the session’s; its usage is', () => {
  const { view, told, play } = viewOf();
  for (const event of recordedScene('task sub-session')) play(event);
  expect(words(told)).toEqual([
    'tool-started task',
    'tool-ended task completed',
    'text-delta tas',
    'text-delta k d',
    'text-delta one',
    'text task done',
  ]);
  // Two steps of the session, 10,100 and 10,200 tokens, and one of the sub-agent, 6,057.
  expect(view.usage()).toMatchObject({ inputTokens: 10_090 + 10_197 + 6_051, outputTokens: 10 + 3 + 6 });
  expect(view.usage().costUsd).toBeCloseTo(0.01011 + 0.010203 + 0.006063, 9);
});

test('the same events twice tell nothing twice', () => {
  const { told, play } = viewOf();
  for (const event of recordedScene('question')) {
    play(event);
    if (event.type !== 'delta') play(event);
  }
  expect(words(told)).toHaveLength(6);
});

/** What a reconnect reads: the messages and parts as they were in the end. */
function reread(view: TurnView, events: readonly NativeEvent[]): void {
  const messages = new Map(events.flatMap((e) => (e.type === 'message' ? [[e.message.id, e.message]] : [])));
  const parts = new Map(events.flatMap((e) => (e.type === 'part' ? [[e.part.id, e.part]] : [])));
  for (const message of messages.values()) {
    if (message.role === 'user') view.addPrompt(message.id, message.createdAt);
    const own = [...parts.values()].filter((part) => part.messageId === message.id);
    view.entries([{ message, parts: own }]);
  }
}

test.each([1, 2, 5])('wherever %i events are missed, the pieces still join to the whole', (length) => {
  const events = recordedScene('question');
  for (let from = 0; from < events.length; from += 1) {
    const { view, told, play } = viewOf();
    for (const event of events.slice(0, from)) play(event);
    view.gap();
    for (const event of events.slice(from + length)) play(event);
    reread(view, events);
    const deltas = told.flatMap((event) => (event.type === 'text-delta' ? [event.text] : []));
    expect(deltas.join('')).toBe('question done');
    expect(told.filter((event) => event.type === 'text')).toHaveLength(1);
    expect(told.filter((event) => event.type === 'tool-ended')).toHaveLength(1);
  }
});

test('a text that was open when we came is told when it is whole', () => {
  const { view, told } = viewOf();
  const message = recordedScene('question').find((e) => e.type === 'message' && e.message.role === 'assistant');
  if (message?.type !== 'message') throw new Error('the scene has no answer');
  const part = (text: string, isWhole: boolean): NativePart => ({
    id: 'prt_1',
    messageId: message.message.id,
    sessionId: ROOT,
    type: 'text',
    text,
    isWhole,
    isSynthetic: false,
  });
  view.addPrompt(message.message.parentId ?? '', 0);
  view.entries([{ message: message.message, parts: [part('', false)] }]);
  view.delta('prt_1', 'second half');
  expect(words(told)).toEqual([]);
  view.part(part('first and second half', true));
  expect(words(told)).toEqual(['text-delta first and second half', 'text first and second half']);
});

test('an old history does not take back what an event has told', () => {
  const { view, told, play } = viewOf();
  const events = recordedScene('question');
  for (const event of events) play(event);
  const [usage, count] = [view.usage(), told.length];
  const open = events.find((e) => e.type === 'message' && e.message.role === 'assistant');
  if (open?.type !== 'message') throw new Error('the scene has no answer');
  view.entries([{ message: open.message, parts: [] }]);
  expect(view.usage()).toEqual(usage);
  expect(told).toHaveLength(count);
});

test('what is open at the end of the turn is ended', () => {
  const { view, told, play } = viewOf();
  const events = recordedScene('question');
  for (const event of events.slice(
    0,
    events.findIndex((e) => e.type === 'answered'),
  ))
    play(event);
  view.end();
  expect(words(told)).toEqual(['tool-started question', 'tool-ended question interrupted']);
});
