import { expect } from 'vitest';
import type { Message } from '../../src/contract/message.ts';
import { programFile } from '../support/programs.ts';
import { scenario } from '../support/scenario.ts';
import type { World } from '../support/world.ts';

const TURNS = 10;
const GANTRY = `'${process.execPath}' '${programFile('cli/main')}'`;

/** The agent of a task that is being worked on. */
async function agentOf(world: World, id: `req_${string}`): Promise<string> {
  const { agent } = await world.task(id, 'T1', 'working');
  return agent ?? '';
}

/** The states of a message in order, with their times. */
const receipts = (world: World, id: string): { readonly state: string; readonly at: number }[] =>
  world.journal.facts.flatMap((fact) =>
    fact.kind === 'message.changed' && fact.data.row.id === id && fact.data.from !== fact.data.to
      ? [{ state: fact.data.to, at: fact.at }]
      : [],
  );

const inState = (world: World, id: string, state: Message['state']): Promise<true> =>
  world.until(`${id} is ${state}`, ({ messages }) => messages.get(id)?.state === state);

scenario(
  'A4 a message joins a turn, is in every later request once, and is answered in its thread',
  {},
  async (world) => {
    const acts = Array.from({ length: TURNS }, (_, i) => ({ write: { path: `f${i}.txt`, content: `${i}\n` } }));
    // The one message in its inbox: it answers by the command line, as itself.
    const answer = `id=$(${GANTRY} inbox --json | grep -o 'mail_[0-9A-Za-z]*' | head -1) && ${GANTRY} inbox reply "$id" 'very wide'`;
    const { id } = await world.submitOne([{ hold: 'go', run: 'true' }, ...acts, { run: answer }, { text: 'end' }]);
    const agent = await agentOf(world, id);
    const sent = await world.gantry(['send', agent, 'the gap is wide', '--mode', 'steer', '--json']);
    const message = sent.json() as Message;
    await inState(world, message.id, 'delivered');
    await world.agent.release('go');
    expect(await world.over(id)).toMatchObject({ state: 'done' });
    expect(receipts(world, message.id).map(({ state }) => state)).toEqual(['queued', 'delivered', 'seen', 'replied']);
    const counts = (await world.agent.requests()).map(({ text }) => text.split('the gap is wide').length - 1);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThanOrEqual(TURNS);
    expect(Math.max(...counts)).toBe(1);

    const [reply] = [...world.journal.view.messages.values()].filter(({ from }) => from === agent);
    expect(reply).toMatchObject({ thread: message.id, replyTo: message.id, to: 'person', state: 'delivered' });
    const read = await world.gantry(['inbox', 'read', reply?.id ?? '']);
    expect(read.stdout).toContain('very wide');
  },
);

scenario(
  'A5 a message to an agent without a session is given to its next one, once; after its time never',
  {},
  async (world) => {
    const first = await world.submitOne([{ text: 'first' }]);
    const { agent } = await world.task(first.id, 'T1', 'done');
    const kept = (await world.gantry(['send', agent ?? '', 'keep this', '--json'])).json() as Message;
    const late = (await world.gantry(['send', agent ?? '', 'too late', '--ttl', '1s', '--json'])).json() as Message;
    expect(kept.state).toBe('queued');
    await inState(world, late.id, 'expired');
    expect((await world.gantry(['inbox'])).stdout).toContain(late.id);
    const second = await world.submitOne([{ write: { path: 'a.txt', content: 'a\n' } }, { text: 'second' }]);
    expect((await world.over(second.id)).state).toBe('done');
    expect(receipts(world, kept.id).map(({ state }) => state)).toEqual(['queued', 'delivered', 'seen']);
    const requests = (await world.agent.requests()).map(({ text }) => text);
    expect(Math.max(...requests.map((text) => text.split('keep this').length - 1))).toBe(1);
    expect(requests.filter((text) => text.includes('too late'))).toEqual([]);
  },
);
