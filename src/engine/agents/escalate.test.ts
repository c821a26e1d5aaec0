import { expect, test } from 'vitest';
import { testSettings } from '../../../test/support/engine.ts';
import { PERSON, sampleAgent, sampleProject, temporaryStore } from '../../../test/support/store.ts';
import type { Caller } from '../../contract/caller.ts';
import { messageRow } from '../messages/post.ts';
import { escalate, raiseEscalations } from './escalate.ts';

const FOUR_HOURS = 4 * 3_600_000;
const LEAD = 'demo/lead/one';
const worker: Caller = { actor: 'agent:demo/worker/w1', scope: 'read', agent: 'demo/worker/w1' };

/** A project with a lead and a worker, which is blocked. */
async function blocked() {
  const home = await temporaryStore();
  const { store, clock } = home;
  store.commit((tx) => {
    tx.projects.insert(sampleProject(), PERSON);
    tx.agents.insert(sampleAgent(1), PERSON);
    tx.agents.insert(sampleAgent(1, { id: LEAD, role: 'lead', name: 'one' }), PERSON);
  });
  const parts = { store, clock, settingsFor: () => testSettings() };
  const told = (): string[] =>
    store.read.messages
      .list({ kind: 'escalation' })
      .map(({ to, subject, cause }) => `${to} ${subject}${cause ? ' *' : ''}`);
  const [message] = escalate(parts, { text: 'No key.', severity: 'medium' }, worker);
  if (message === undefined) throw new Error('nobody was told');
  return { ...home, parts, message, told };
}

test('nobody answers: it is raised twice, to those whom that concerns, and then rests', async () => {
  await using home = await blocked();
  const { parts, clock, message, told } = home;
  expect(told()).toEqual([`${LEAD} medium: No key.`]);
  expect(raiseEscalations(parts)).toBe(message.createdAt + FOUR_HOURS);
  clock.advance(FOUR_HOURS - 1);
  raiseEscalations(parts);
  expect(told()).toHaveLength(1);
  clock.advance(1);
  expect(raiseEscalations(parts)).toBe(clock.now() + FOUR_HOURS);
  const high = [`${LEAD} high: No key. *`, 'person high: No key. *'];
  expect(told().slice(1)).toEqual(high);
  clock.advance(FOUR_HOURS);
  expect(raiseEscalations(parts)).toBeNull();
  expect(told().slice(3)).toEqual(high.map((line) => line.replace('high', 'critical')));
  expect(new Set(parts.store.read.messages.list({}).map(({ thread }) => thread))).toEqual(new Set([message.thread]));
  clock.advance(FOUR_HOURS);
  raiseEscalations(parts);
  expect(told()).toHaveLength(5);
});

test('an answer in its thread ends it, and so does putting it away', async () => {
  await using home = await blocked();
  const { parts, clock, message, told } = home;
  const mail = { from: LEAD, to: 'demo/worker/w1', text: 'Use mine.', mode: 'next-turn', ttlMs: undefined } as const;
  const reply = messageRow(parts, { ...mail, subject: undefined, kind: 'mail', cause: null, answered: message });
  parts.store.commit((tx) => tx.messages.insert(reply, PERSON));
  const [other] = escalate(parts, { text: 'No disk.', severity: 'low' }, worker);
  parts.store.commit((tx) => tx.messages.update(other?.id ?? '', { archivedAt: clock.now() }, PERSON));
  clock.advance(FOUR_HOURS);
  expect(raiseEscalations(parts)).toBeNull();
  expect(told()).toHaveLength(2);
});
