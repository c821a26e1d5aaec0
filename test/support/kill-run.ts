import { describe, expect, it } from 'vitest';
import { toAppError } from '../../src/contract/errors.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { isMergeOver } from '../../src/contract/merge.ts';
import { isRequestOver, type Request } from '../../src/contract/request.ts';
import { LIMIT_MS, lineOf } from './journal-watch.ts';
import { commonCheck, settingsOf } from './scenario.ts';
import type { Act, AgentKind, ScriptedAgent } from './scripted-agent.ts';
import { seeded } from './seeded.ts';
import { World } from './world.ts';

/** How often the daemon is killed, if it is said: `npm run test:faults` says 100. */
const { GANTRY_KILL_POINTS } = process.env;
/** A run with the same seed kills at the same facts. */
const SEED = Number(process.env.GANTRY_KILL_SEED ?? Date.now() % 1_000_000);
/** Nothing is left to be lost after the last facts of a run. */
const WHOLE_RUN = 0.98;
const KILLED_TWICE = 0.3;

/** Where the work is merged: the person's own branch is not touched. */
const TARGET = 'integration';

const config = (secondBackend: string) => ({
  policy: { default: 'allow' as const, rules: [{ action: 'ask' as const, tool: 'bash', pattern: 'echo asked*' }] },
  limits: { maxWorkspacesPerProject: 1_000 },
  roles: { worker: { warm: 1 }, second: { backend: secondBackend } },
  merge: {
    isAuto: true,
    target: TARGET,
    batchWait: 0,
    gates: [{ name: 'whole', command: 'test -f README.md' }],
  },
});

/**
 * The run that is broken off: three tasks on two backends, one after the two others; one asks; a message is under way; what
 * comes out is merged. For the first an agent stands ready.
 */
class Run {
  readonly #world: World;
  readonly name: string;
  readonly marks: readonly string[];
  readonly asked: string;
  request: Request | null = null;
  /** The journal's position before it. */
  from = 0;
  /** What was seen of it before the last kill. */
  told: readonly Fact[] = [];
  readonly #said = new Set<string>();
  readonly #acknowledged = new Set<string>();
  readonly #refusals: string[] = [];
  readonly #answers: Promise<void>[] = [];

  /** Plays the second task. */
  get #second(): ScriptedAgent {
    return this.#world.others[0] ?? this.#world.agent;
  }

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.marks = ['T1', 'T2', 'T3'].map((label) => `mark-${name}-${label}.`);
    this.asked = `${name}-asked.txt`;
  }

  async submit(): Promise<void> {
    const world = this.#world;
    this.from = world.journal.view.seq;
    const [one, two, three] = this.marks;
    const file = (label: string): string => `${this.name}-${label}.txt`;
    const made = (label: string) => ({ write: { path: file(label), content: `${label}\n` } });
    const joined = { run: `cat ${file('T1')} ${file('T2')} > ${file('T3')}` };
    // A tool that a kill has cut is not called again by itself: the agent does when it is told what is missing.
    const again = (act: Act): Act[] => [act, { text: 'again' }, act, { text: 'once more' }];
    const tasks = [
      {
        id: 'T1',
        words: `Do ${one}`,
        acts: [made('T1'), { run: `cat ${file('T1')}` }, { text: 'one' }, ...again(made('T1'))],
        check: `test -f ${file('T1')}`,
      },
      {
        id: 'T2',
        words: `Do ${two}`,
        role: 'second',
        agent: this.#second,
        acts: [made('T2'), { run: `echo asked >> ${this.asked}` }, { text: 'two' }, ...again(made('T2'))],
        check: `test -f ${file('T2')}`,
      },
      {
        id: 'T3',
        words: `Do ${three}`,
        needs: ['T1', 'T2'],
        acts: [joined, { text: 'three' }, ...again(joined)],
        check: `test -s ${file('T3')}`,
      },
    ];
    if (world.journal.view.agents.size > 0) {
      await world.call('messages.send', { to: 'project/worker/worker-1', text: `mark-${this.name}-mail.` });
    }
    this.request = await world.submitPlan(tasks);
  }

  /** Facts of this run that were seen. */
  get facts(): readonly Fact[] {
    return this.#world.journal.facts.filter(({ seq }) => seq > this.from);
  }

  /** Says yes to whatever waits, once to each by one daemon. What that daemon acknowledges must hold for ever. */
  answer(): void {
    const world = this.#world;
    for (const { id, state } of world.journal.view.approvals.values()) {
      if (state !== 'pending' || this.#said.has(id)) continue;
      this.#said.add(id);
      const answer = world.call('approvals.allow', { id }).then(
        () => void this.#acknowledged.add(id),
        (error: unknown) => {
          const { code } = toAppError(error);
          if (code !== 'daemon_unreachable') this.#refusals.push(code);
        },
      );
      this.#answers.push(answer);
    }
  }

  /** Another daemon: what was said to the one before may not have been heard. */
  async asksAgain(): Promise<void> {
    await Promise.all(this.#answers);
    this.#said.clear();
  }

  finish(): Promise<Request> {
    return this.#world.until(`the end of run ${this.name}`, () => {
      this.answer();
      return this.isOver && this.#row;
    });
  }

  /** What is done is merged too. */
  get isOver(): boolean {
    const row = this.#row;
    if (row === undefined || !isRequestOver(row.state)) return false;
    const merge = [...this.#world.journal.view.merges.values()].find(({ requestId }) => requestId === row.id);
    return row.state !== 'done' || (merge !== undefined && isMergeOver(merge.state));
  }

  get #row(): Request | undefined {
    return this.#world.journal.view.requests.get(this.request?.id ?? '');
  }

  async check(): Promise<void> {
    const world = this.#world;
    await Promise.all(this.#answers);
    expect(this.#refusals, 'answers that were refused').toEqual([]);
    const approvals = [...world.journal.view.approvals.values()];
    const forgotten = approvals.filter(({ id, state }) => this.#acknowledged.has(id) && state !== 'allowed');
    expect(forgotten, 'answers that were acknowledged and forgotten').toEqual([]);
    const { id, branch } = this.request ?? { id: '', branch: '' };
    const { git } = world.project;
    expect(await git(['show', `${TARGET}:${this.name}-T3.txt`])).toBe('T1\nT2');
    const merges = await git(['log', '--first-parent', '--format=%H', `--grep=Gantry-Request: ${id}`, TARGET]);
    expect(merges.split('\n'), 'merge commits of the request').toHaveLength(1);
    expect(await git(['branch', '--list', branch]), 'the branch, which is merged').toBe('');
    const tasks = [...world.journal.view.tasks.values()].filter((task) => task.requestId === id);
    expect(tasks.map(({ label, state }) => [label, state])).toEqual([
      ['T1', 'done'],
      ['T2', 'done'],
      ['T3', 'done'],
    ]);
    // Allowed once: never run twice, and run if the agent was told so.
    const ran = await git(['show', `${TARGET}:${this.asked}`]).catch(() => '');
    const lines = ran.split('\n').filter((line) => line !== '').length;
    const isCompleted = this.facts.some(
      ({ kind, data }) => kind === 'tool.ended' && data.title.includes(this.asked) && data.status === 'completed',
    );
    expect(isCompleted ? [1] : [0, 1], 'runs of what was allowed once').toContain(lines);
    await this.#promptsOnce();
  }

  /** No prompt was taken twice as a new one, and none shows its task, or the message, twice. */
  async #promptsOnce(): Promise<void> {
    const agents = [this.#world.agent, ...this.#world.others];
    const taken = (await Promise.all(agents.map((agent) => agent.promptsTaken()))).flat().map((prompt) => prompt.id);
    expect(
      taken.filter((prompt, i) => taken.indexOf(prompt) !== i),
      'prompts that were taken twice',
    ).toEqual([]);
    const requests = (await Promise.all(agents.map((agent) => agent.requests()))).flat();
    const once = (what: string, mark: string, times: number, isMeant: (text: string) => boolean): void => {
      const shown = requests.filter(({ text }) => text.includes(mark) && isMeant(text));
      const doubled = shown.filter(({ text }) => text.split(mark).length - 1 > times);
      expect(
        doubled.map(({ text }) => text),
        `requests that show ${what} more than once`,
      ).toEqual([]);
      expect(
        new Set(shown.map(({ nativeId }) => nativeId)).size,
        `conversations that were told ${what}`,
      ).toBeLessThanOrEqual(1);
    };
    const isPlanning = (text: string): boolean => text.includes('plan_tasks');
    once('the plan', this.marks[0] ?? '', 1, isPlanning);
    once('the message', `mark-${this.name}-mail.`, 1, () => true);
    // A task's words stand in its description, and in the request that its prompt quotes.
    for (const [i, mark] of this.marks.entries())
      once(mark, mark, 2, (text) => text.includes(`Task: Task T${i + 1}\n`));
  }
}

/** What the daemon had told before it was killed is told again, word for word. */
async function expectNothingForgotten(world: World, told: readonly Fact[]): Promise<void> {
  const [first] = told;
  if (!first) return;
  const again: Fact[] = [];
  for (let since = first.seq - 1; again.length < told.length; ) {
    const { items } = await world.call('facts.list', { since, limit: 1000 });
    if (items.length === 0) break;
    again.push(...items);
    since = items.at(-1)?.seq ?? since;
  }
  expect(again.slice(0, told.length).map(lineOf)).toEqual(told.map(lineOf));
}

/**
 * Registers the test; `usual` points where nothing else is said, never more than `most`. Without a second program the first
 * is driven by two backends.
 */
export function daemonIsKilled(
  kind: AgentKind,
  { other, usual, most }: { readonly other: AgentKind | null; readonly usual: number; readonly most: number },
): void {
  const points = Math.min(Number(GANTRY_KILL_POINTS ?? usual), most);
  const name = other ? `${kind.name} and ${other.name}` : kind.name;
  describe(`the daemon is killed (B2, ${name})`, () => {
    it(`at ${points} points of a three-task run with seed ${SEED}, and the run ends as if it had not been`, {
      timeout: 120_000 + points * 60_000,
    }, async () => {
      process.stdout.write(`B2 ${name}: GANTRY_KILL_POINTS=${points} GANTRY_KILL_SEED=${SEED}\n`);
      const twin = `${kind.name}-two`;
      const two = ({ settings }: ScriptedAgent) =>
        other ? config(other.name) : { ...config(twin), backends: { [twin]: settings } };
      await using world = await World.make(kind, two, other ? [other] : []);
      await world.project.git(['branch', TARGET]);
      const before = await settingsOf(world);
      await world.up();
      const whole = new Run(world, 'whole');
      await whole.submit();
      expect(await whole.finish()).toMatchObject({ state: 'done' });
      await whole.check();
      const length = Math.floor(whole.facts.length * WHOLE_RUN);
      const random = seeded(SEED);
      for (let i = 0; i < points; i += 1) {
        // One point in each of as many equal parts of the run, so that they are spread over all of it.
        const point = Math.max(1, Math.floor(((i + random()) / points) * length));
        const run = new Run(world, `p${i}`);
        await run.submit();
        await killAt(world, run, point);
        // The work of coming back is broken off too, now and then.
        if (random() < KILLED_TWICE) await killAt(world, run, run.facts.length + Math.ceil(random() * length * 0.3));
        const request = await run.finish();
        const story = request.state === 'done' ? '' : run.facts.map(lineOf).join('\n');
        expect(
          request,
          `killed at fact ${point} of ${length}; told last: ${run.told.at(-1)?.seq}\n${story}`,
        ).toMatchObject({ state: 'done' });
        await run.check();
        await onlyOneStandsReady(world);
      }
      await commonCheck(world, before);
    });
  });
}

/** Nothing runs but the program of the agent that is ready for the next task. */
async function onlyOneStandsReady(world: World): Promise<void> {
  await world.until('one agent stands ready', ({ agents, sessions }) => {
    const [first, ...others] = [...agents.values()].flatMap(({ standing }) => (standing?.warm ? standing : []));
    return others.length === 0 && sessions.get(first?.sessionId ?? '')?.state === 'running';
  });
  const count = world.agent.isStanding ? 0 : 1;
  // Another that was made ready too may be on its way out: what is left stays.
  const left = async (): Promise<number> => (await world.strangers()).length;
  await expect.poll(left, { timeout: LIMIT_MS, message: 'processes that are left' }).toBe(count);
}

/** Kills the daemon when so many facts of the run were seen, or the run is over; starts it again. */
async function killAt(world: World, run: Run, point: number): Promise<void> {
  await world.until(`fact ${point} of run ${run.name}`, () => {
    run.answer();
    return run.facts.length >= point || run.isOver;
  });
  await world.kill();
  run.told = run.facts;
  await run.asksAgain();
  await world.up();
  await expectNothingForgotten(world, run.told);
}
