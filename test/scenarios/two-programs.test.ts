import { expect } from 'vitest';
import type { Message } from '../../src/contract/message.ts';
import { claude } from '../support/claude-agent.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { opencode } from '../support/opencode-agent.ts';
import { playOn, scenario } from '../support/scenario.ts';
import type { Act, ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

// One daemon with both real programs: what goes from the one to the other.
playOn(claude, opencode);

const otherOf = ({ others: [other] }: World): ScriptedAgent => {
  if (!other) throw new Error('the world has one program only');
  return other;
};

const NOTE = 'the port is mark-8080';

/** A task of Claude Code that has made a file and waits, handed to OpenCode; `cut` happens once the note is stored. */
async function handedOver(world: World, name: string, cut: () => Promise<void>): Promise<void> {
  const other = otherOf(world);
  const words = `Make ${name}.`;
  const acts = [{ write: { path: `${name}-half.txt`, content: 'x\n' } }, { hold: `never-${name}`, run: 'true' }];
  const { id } = await world.submitOne(acts, {}, words);
  const task = await world.task(id, 'T1', 'working');
  await world.until('the file', () =>
    world.journal.facts.some((fact) => fact.kind === 'file.changed' && fact.data.path.endsWith(`${name}-half.txt`)),
  );
  // The model plays the last script that it is shown.
  const note = `${NOTE} ${other.play({ write: { path: `${name}-rest.txt`, content: 'y\n' } }, { text: 'whole' })}`;
  const args = ['agent', 'handoff', task.agent ?? '', '--to', other.backend, '--note', note, '--json'];
  expect(await world.gantry(args)).toMatchObject({ code: 0 });
  await cut();
  const request = await world.over(id);
  expect(request.result?.filesChanged.map(({ path }) => path)).toEqual([`${name}-half.txt`, `${name}-rest.txt`]);
  const attempts = [...world.journal.view.attempts.values()].filter(({ requestId }) => requestId === id);
  const [first, second] = attempts;
  expect(attempts).toHaveLength(2);
  expect(second).toMatchObject({ agent: first?.agent, workspace: first?.workspace, backend: other.backend });
  const asked = (await other.requests()).filter(({ text }) => text.includes(words));
  expect(asked[0]?.text).toMatch(new RegExp(`${NOTE}\\b[\\s\\S]*Branch: ${first?.branch}[\\s\\S]*${name}-half\\.txt`));
  expect(asked.map(({ text }) => text.split(NOTE).length - 1)).toEqual(asked.map(() => 1));
}

scenario(
  'D3 a worker of Claude Code is handed to OpenCode, once more with the daemon killed in between',
  {},
  async (world) => {
    await handedOver(world, 'one', () => Promise.resolve());
    await handedOver(world, 'two', async () => {
      await world.kill();
      await world.up();
    });
  },
);

/** Turns of the recipient between a message and its answer. */
const TURNS = 10;

/** An agent that stands by. */
type Side = { readonly address: string; readonly nativeId: string | null; readonly program: ScriptedAgent };

async function standingBy(world: World, name: string, program: ScriptedAgent): Promise<Side> {
  const flags = ['--role', 'worker', '--agent', program.backend, '--json'];
  const started = await world.gantry(['agent', 'start', name, ...flags]);
  expect(started).toMatchObject({ code: 0 });
  const { agent, nativeId } = started.json() as { readonly agent: string; readonly nativeId: string };
  return { address: agent, nativeId, program };
}

const moves = (world: World, { id }: Message) =>
  world.journal.facts.flatMap((fact) =>
    fact.kind === 'message.changed' && fact.data.row.id === id && fact.data.from !== fact.data.to
      ? [{ state: fact.data.to, at: fact.at }]
      : [],
  );

/** A person makes an agent do this, and waits until its turn is over. */
async function told(world: World, { address, program }: Side, ...acts: Act[]): Promise<void> {
  const { id } = await world.call('messages.send', { to: address, text: program.play(...acts) });
  await world.until(`${id} is seen`, ({ messages }) => messages.get(id)?.state === 'seen');
}

/** What one agent has sent to another by its own tool, once it is seen. */
const sent = (world: World, from: Side, to: Side, words: string): Promise<Message> =>
  world.until(`"${words}" is seen`, ({ messages }) =>
    [...messages.values()].find(
      (m) => m.from === from.address && m.to === to.address && m.text.includes(words) && m.state === 'seen',
    ),
  );

const send = (to: Side, words: string, replyTo?: Message): Act => {
  const text = `${words} ${to.program.play({ text: 'Noted.' })}`;
  return { gantry: { tool: 'messages_send', input: { to: to.address, text, replyTo: replyTo?.id } } };
};

const requestsOf = async ({ program, nativeId }: Side) =>
  (await program.requests()).filter((request) => request.nativeId === nativeId);

/** One agent asks another of the other program, which has some turns before it answers. */
async function askedAndAnswered(world: World, from: Side, to: Side, words: string): Promise<void> {
  const before = (await requestsOf(to)).length;
  await told(world, from, send(to, words), { text: 'Asked.' });
  const question = await sent(world, from, to, words);
  for (let i = 0; i < TURNS; i += 1) await told(world, to, { run: `echo ${i}` }, { text: `Turn ${i}.` });
  await told(world, to, send(from, `${words}-answer`, question), { text: 'Answered.' });
  const later = (await requestsOf(to)).slice(before).map(({ text }) => text);
  expect(later.length).toBeGreaterThan(2 * TURNS);
  expect(later[0]).toContain(`Message ${question.id} from ${from.address}`);
  expect(later.map((text) => text.split(`${words} `).length - 1)).toEqual(later.map(() => 1));

  const answer = await sent(world, to, from, `${words}-answer`);
  expect(answer).toMatchObject({ thread: question.thread, replyTo: question.id });
  const last = (await requestsOf(from)).at(-1)?.text ?? '';
  expect(last).toContain(`Message ${answer.id} from ${to.address}, in reply to ${question.id}`);
  for (const [message, states] of [
    [question, ['queued', 'delivered', 'seen', 'replied']],
    [answer, ['queued', 'delivered', 'seen']],
  ] as const) {
    const receipts = moves(world, message);
    expect(receipts.map(({ state }) => state)).toEqual(states);
    expect(receipts.map(({ at }) => at)).toEqual(receipts.map(({ at }) => at).toSorted((a, b) => a - b));
  }
}

scenario('A4 agents of two programs write to each other and answer by their own tool', {}, async (world) => {
  const one = await standingBy(world, 'ann', world.agent);
  const two = await standingBy(world, 'ben', otherOf(world));
  await askedAndAnswered(world, one, two, 'mark-wide');
  await askedAndAnswered(world, two, one, 'mark-deep');
  for (const name of ['ann', 'ben']) expect(await world.gantry(['agent', 'stop', name])).toMatchObject({ code: 0 });
});

const busy = { config: { limits: { maxParallel: 6 } } };

scenario(
  'C6 an emergency stop ends the turns of six agents of two programs, outlives a restart, and a thaw lets each go on',
  busy,
  async (world) => {
    const programs = [world.agent, otherOf(world)];
    const asked = async (): Promise<number> =>
      (await Promise.all(programs.map((program) => program.requests()))).flat().length;
    const make = (program: ScriptedAgent, name: string) =>
      world.call('tasks.sling', {
        task: `Make ${name}. ${program.play({ write: { path: name, content: 'x\n' } }, { hold: 'go', run: `echo y >> ${name}` }, { text: 'end' })}`,
        project: world.project.root,
        backend: program.backend,
      });
    const slung = await Promise.all(
      programs.flatMap((program) => ['a', 'b', 'c'].map((letter) => make(program, `${program.backend}-${letter}`))),
    );
    expect(slung.map(({ state }) => state)).toEqual(slung.map(() => 'assigned'));
    // The first answer of each was taken, the second is waited for.
    await expect.poll(asked, { timeout: LIMIT_MS }).toBe(2 * slung.length);
    expect((await world.gantry(['estop', '-r', 'test', '--json'])).json()).toMatchObject({ isChanged: true });
    const calm = await asked();
    const second = await world.gantry(['estop', '-r', 'again']);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('test') });
    await world.down();
    for (const program of programs) await program.release('go');
    await world.up();
    expect((await world.gantry(['status'])).stdout).toContain('emergency stop');
    const refused = await world.gantry(['sling', 'more', world.project.root]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('gantry thaw') });
    expect(await asked()).toBe(calm);
    expect(await world.gantry(['thaw'])).toMatchObject({ code: 0 });
    for (const { requestId, taskId } of slung) {
      const request = await world.over(requestId ?? 'req_');
      const [file, ...more] = request.result?.filesChanged ?? [];
      expect(more).toEqual([]);
      const branch = request.result?.branch ?? '';
      expect(await world.project.git(['show', `${branch}:${file?.path}`])).toBe('x\ny');
      const done = [...world.journal.view.attempts.values()].filter((a) => a.taskId === taskId && a.state === 'done');
      expect(done).toHaveLength(1);
    }
  },
);
