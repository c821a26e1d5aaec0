import { expect, test } from 'vitest';
import { recordedScene } from '../../../test/support/opencode-scenes.ts';
import type { BackendEvent } from '../backend.ts';
import { Children } from './children.ts';
import type { NativeEntry, NativeEvent } from './dialect.ts';

const CHILD = 'ses_e0487b3eeffetpWKEd5okPAGMq';

const session = (id: string) => ({
  id,
  parentId: 'ses_root',
  directory: '/',
  title: id,
  gantrySession: null,
  createdAt: 0,
});

/** The sub-agents of a root, and what is told of them. */
function childrenOf(rootId: string) {
  const told: string[] = [];
  const emit = (event: BackendEvent): void => {
    if (event.type === 'child-started') told.push(`${event.nativeId} of ${event.parentId ?? 'the session'}`);
    if (event.type === 'child-state') told.push(event.state);
  };
  const children = new Children(rootId, emit, () => undefined);
  const take = (events: readonly NativeEvent[]): void => {
    for (const event of events) {
      if (event.type === 'session') children.met(event.session);
      children.take(event);
    }
  };
  return { children, take, told };
}

test('a sub-agent runs and is done, once each; given more to do, it runs again', () => {
  const { take, told } = childrenOf('ses_e048801ceffeLnvkuj2Q3NZAad');
  const scene = recordedScene('task sub-session');
  take(scene);
  expect(told).toEqual([`${CHILD} of the session`, 'running', 'done']);
  take([{ type: 'busy', sessionId: CHILD }]);
  expect(told.slice(3)).toEqual(['running']);
});

test.each([
  // What ends a scene may stand at the beginning of the next; the end of the second was not recorded.
  [
    ['model 401', 'connection cut, retries, then abort', 'abort while permission pending'],
    ['running', 'failed', 'running', 'stopped'],
  ],
  [['bash permission reject without message'], ['running', 'failed']],
] as const)('errors, aborts and refusals end it: %j', (names, states) => {
  const scene = names.flatMap(recordedScene);
  const id = scene.flatMap((event) => (event.type === 'busy' ? [event.sessionId] : []))[0] ?? '';
  const { children, take, told } = childrenOf('ses_root');
  children.met(session(id));
  take(scene);
  expect(told.slice(1)).toEqual(states);
});

test('after a gap the history says where it stands', () => {
  const scene = recordedScene('task sub-session').filter((event) => 'sessionId' in event && event.sessionId === CHILD);
  const messages = scene.flatMap((event): NativeEntry[] =>
    event.type === 'message' ? [{ message: event.message, parts: [] }] : [],
  );
  const open = messages.findIndex(({ message }) => message.role === 'assistant') + 1;
  const stateAfter = (entries: readonly NativeEntry[], isBusy: boolean): readonly string[] => {
    const { children, told } = childrenOf('ses_root');
    children.found(session(CHILD), entries, isBusy);
    return told.slice(1);
  };
  expect(stateAfter(messages, false)).toEqual(['done']);
  expect(stateAfter(messages.slice(0, open), true)).toEqual(['running']);
  expect(stateAfter(messages.slice(0, open), false)).toEqual(['stopped']);
  expect(stateAfter([], false)).toEqual([]);
});
