import { expect, test } from 'vitest';
import { testSettings } from '../../../test/support/engine.ts';
import { sampleProject, sampleSession, temporaryStore } from '../../../test/support/store.ts';
import type { Backend, BackendEvent, BackendSession } from '../../backends/backend.ts';
import { Channel } from '../../base/channel.ts';
import { silentLog } from '../../base/log.ts';
import type { Failure } from '../../contract/failure.ts';
import type { PromptId } from '../../contract/ids.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import { Approvals } from '../approvals/approvals.ts';
import { ForeignAnswers } from '../approvals/foreign-answers.ts';
import type { Parts } from '../parts.ts';
import { openSession } from './session-open.ts';

/** Longer than what is free in the pages that there are. */
const LONG = 'x'.repeat(50_000);
const DIED: Failure = { class: 'crash', message: 'its program was killed', resetAt: null };

/** A store whose disk can be full, and a session of a backend whose every word is in the test's hand. */
async function inHand(nativeId = 'native') {
  let limit = (_: number): void => undefined;
  const home = await temporaryStore({
    onOpen: (exec) => {
      limit = (pages) => exec(`PRAGMA max_page_count = ${pages}`);
    },
  });
  const { store, clock } = home;
  const events = new Channel<BackendEvent>(10);
  let closes = 0;
  const session: BackendSession = {
    nativeId,
    origin: { type: 'new' },
    events,
    prompt: async () => ({ type: 'accepted' }),
    interrupt: async () => undefined,
    answer: async () => 'gone',
    transcript: async () => [],
    close: async () => {
      closes += 1;
      events.end();
      return { exitCode: 0, signal: null, survivors: [] };
    },
  };
  const row = sampleSession(1, { attemptId: null, agent: null, purpose: 'exec', backend: 'fake' });
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), { actor: 'person' });
    tx.sessions.insert(row, { actor: 'person' });
  });
  const backends = new Map([['fake', { open: async () => session } as unknown as Backend]]);
  const parts = { store, clock, log: silentLog, backends, settingsFor: () => testSettings() } as unknown as Parts;
  const answers = new ForeignAnswers(parts, () => null);
  const approvals = new Approvals(parts, answers);
  const spec = { project: { path: '/projects/demo' } } as Parameters<typeof openSession>[3];
  const open = () => openSession(parts, approvals, row, spec, {});
  const fill = (pages: number): void => limit(pages);
  return { ...home, row, events, open, fill, closes: () => closes };
}

const idOf = (n: number): PromptId => `prm_${String(n).padStart(9, '0')}`;

const ended = (promptId: PromptId): BackendEvent => ({
  type: 'turn-ended',
  promptId,
  outcome: 'done',
  text: 'end',
  failure: null,
  usage: NO_USAGE,
});

test('a session whose start cannot be written down leaves no program behind', async () => {
  await using hand = await inHand(LONG);
  hand.fill(1);
  await expect(hand.open()).rejects.toMatchObject({ code: 'disk_full' });
  expect(hand.closes()).toBe(1);
  expect(hand.store.read.sessions.need(hand.row.id).state).toBe('starting');
});

test('whoever waits for a turn hears of the end of its session also on a full disk', async () => {
  await using hand = await inHand();
  const live = await hand.open();
  hand.fill(1);
  const end = live.turnEnd(idOf(1));
  const failure = { ...DIED, message: LONG };
  hand.events.pushLast({ type: 'ended', reason: { type: 'died', failure, exitCode: null, signal: 'SIGKILL' } });
  expect(await end).toMatchObject({ type: 'ended', reason: { type: 'died' } });
  await live.ended;
  expect(hand.store.read.sessions.need(hand.row.id).state).toBe('running');
});

test('the end of a turn is remembered for a hundred more turns', async () => {
  await using hand = await inHand();
  const live = await hand.open();
  const play = async (n: number): Promise<void> => {
    hand.events.push(ended(idOf(n)));
    await live.turnEnd(idOf(n));
  };
  for (let n = 0; n <= 100; n += 1) await play(n);
  expect(await live.turnEnd(idOf(1))).toMatchObject({ type: 'turn', turn: { promptId: idOf(1) } });
  expect(live.usedBy(idOf(1))).not.toBeNull();
  expect(live.usedBy(idOf(0))).toBeNull();
  hand.events.end();
  // Of a turn that is forgotten nothing is known but that the session is over.
  expect(await live.turnEnd(idOf(0))).toMatchObject({ type: 'ended', reason: { type: 'closed' } });
});
