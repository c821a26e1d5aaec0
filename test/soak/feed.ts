import { setTimeout as pause } from 'node:timers/promises';
import { toAppError } from '../../src/contract/errors.ts';
import { isMergeOver } from '../../src/contract/merge.ts';
import { isRequestOver } from '../../src/contract/request.ts';
import { isTaskActive } from '../../src/contract/task.ts';
import type { Act, ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

/** What is asked of real programs is a small part: their turns take most of the processor. */
const REAL_SHARE = 0.1;
const PAUSE_MS = 400;
/** Requests under way; more are not added. */
const MOST_OPEN = 14;

/** `run` tells how often it was done: there may be nothing to do it to. */
type Action = { readonly name: string; readonly weight: number; readonly run: () => Promise<number> };

/** Does what people and accidents do to a fleet, at random, one thing after the other. */
export class Feed {
  readonly #world: World;
  readonly #random: () => number;
  readonly #actions: readonly Action[];
  readonly counts = new Map<string, number>();
  /** Answers that were refused though their question waited, and other refusals that nobody expects. */
  readonly refusals: string[] = [];
  readonly #left = new Set<string>();
  #made = 0;

  constructor(world: World, random: () => number) {
    this.#world = world;
    this.#random = random;
    this.#actions = [
      { name: 'task', weight: 30, run: () => this.#task() },
      { name: 'plan', weight: 6, run: () => this.#plan() },
      { name: 'answer', weight: 20, run: () => this.#answer() },
      { name: 'message', weight: 14, run: () => this.#message() },
      { name: 'broadcast', weight: 3, run: () => this.#broadcast() },
      { name: 'hand-over', weight: 4, run: () => this.#handOver() },
      { name: 'cancel', weight: 2, run: () => this.#cancel() },
      { name: 'kill an agent', weight: 5, run: () => this.#killAgent() },
      { name: 'kill the daemon', weight: 2, run: () => this.#killDaemon() },
    ];
  }

  /** Until the time is over. */
  async run(untilMs: number): Promise<void> {
    while (Date.now() < untilMs) {
      const { name, run } = this.#next();
      await this.#try(name, run);
      await pause(PAUSE_MS * this.#random());
    }
  }

  /** Says yes to everything that still waits. @returns whether all is over */
  async drain(): Promise<boolean> {
    await this.#try('answer', () => this.#answerAll());
    const { requests, merges } = this.#world.journal.view;
    const isOpen = [...requests.values()].some(({ state }) => !isRequestOver(state));
    return !isOpen && [...merges.values()].every(({ state }) => isMergeOver(state));
  }

  /** The heavier, the more often. */
  #next(): Action {
    const tickets = this.#actions.flatMap((action) => Array.from({ length: action.weight }, () => action));
    return this.#pick(tickets) ?? { name: 'nothing', weight: 0, run: () => Promise.resolve(0) };
  }

  async #try(name: string, run: Action['run']): Promise<void> {
    try {
      const times = await run();
      this.counts.set(name, (this.counts.get(name) ?? 0) + times);
    } catch (error) {
      // What was meant is over or held by now: others act on the same things.
      const { code, message } = toAppError(error);
      const known = ['conflict', 'already_answered', 'illegal_move', 'not_found', 'unsupported'];
      if (!known.includes(code)) this.refusals.push(`${name}: ${code}: ${message}`);
    }
  }

  #pick<T>(all: Iterable<T>): T | undefined {
    const list = [...all];
    return list[Math.floor(this.#random() * list.length)];
  }

  #place(): { readonly agent: ScriptedAgent; readonly backend: string } {
    const { agent, others } = this.#world;
    const other = this.#random() < REAL_SHARE ? this.#pick(others) : undefined;
    if (other) return { agent: other, backend: other.backend };
    return { agent, backend: this.#random() < 0.5 ? agent.backend : `${agent.backend}-two` };
  }

  #acts(n: number, isFake: boolean): Act[] {
    const file = `s${n}.txt`;
    const write: Act = { run: `echo ${n} > ${file}` };
    const usual: readonly Act[][] = [
      [write, { text: 'made' }],
      [{ silentMs: 1_500, run: 'true' }, write, { text: 'slow' }],
      [write, { run: `echo asked >> ${file}` }, { text: 'asked' }],
    ];
    const rare: readonly Act[][] = [
      // On the same line as others: a conflict that an agent resolves.
      [{ run: `echo ${n} > shared.txt` }, { text: 'shared' }],
      [{ run: `echo ${n} > bad-${n}.txt` }, { text: 'breaks the gate' }],
      [{ fail: 'the model is broken' }],
    ];
    return this.#pick([...usual, ...usual, ...usual, ...(isFake ? rare : [])]) ?? [];
  }

  get #isFull(): boolean {
    const open = [...this.#world.journal.view.requests.values()].filter(({ state }) => !isRequestOver(state));
    return open.length >= MOST_OPEN;
  }

  async #task(): Promise<number> {
    if (this.#isFull) return 0;
    this.#made += 1;
    const { agent, backend } = this.#place();
    const options = { isSingleTask: true, backend };
    await this.#world.submit(
      `Do number ${this.#made}.\n${agent.play(...this.#acts(this.#made, agent === this.#world.agent))}`,
      { options },
    );
    return 1;
  }

  async #plan(): Promise<number> {
    if (this.#isFull) return 0;
    this.#made += 1;
    const n = this.#made;
    const acts = (part: string): Act[] => [{ run: `echo ${n} > p${n}${part}.txt` }, { text: part }];
    await this.#world.submitPlan([
      { id: 'T1', acts: acts('a') },
      { id: 'T2', acts: acts('b'), check: `test -f p${n}b.txt` },
      { id: 'T3', acts: acts('c'), needs: ['T1', 'T2'], check: `test -f p${n}a.txt` },
    ]);
    return 1;
  }

  /** Mostly yes, sometimes no, and now and then nothing, until the limit. */
  async #answer(): Promise<number> {
    const pending = [...this.#world.journal.view.approvals.values()].filter(({ state }) => state === 'pending');
    const due = pending.filter((one) => !this.#left.has(one.id));
    for (const { id } of due) {
      const chance = this.#random();
      if (chance < 0.1) this.#left.add(id);
      else if (chance < 0.3) await this.#world.call('approvals.deny', { id, reason: 'not now' });
      else await this.#world.call('approvals.allow', { id });
    }
    return due.length;
  }

  async #answerAll(): Promise<number> {
    const pending = [...this.#world.journal.view.approvals.values()].filter(({ state }) => state === 'pending');
    for (const { id } of pending) await this.#world.call('approvals.allow', { id });
    return pending.length;
  }

  async #message(): Promise<number> {
    const to = this.#pick(this.#world.journal.view.agents.keys());
    if (to === undefined) return 0;
    const mode = this.#pick(['next-turn', 'steer'] as const) ?? 'next-turn';
    const ttlMs = this.#random() < 0.5 ? { ttlMs: 5_000 } : {};
    await this.#world.call('messages.send', { to, text: 'Mind the gap.', mode, ...ttlMs });
    return 1;
  }

  async #broadcast(): Promise<number> {
    await this.#world.call('messages.broadcast', { text: 'All hands.', isLiveOnly: true, ttlMs: 10_000 });
    return 1;
  }

  /** A task that is being worked on goes to an agent on the other backend. */
  async #handOver(): Promise<number> {
    const { tasks } = this.#world.journal.view;
    const { backend } = this.#world.agent;
    const own = [...tasks.values()].filter((t) => isTaskActive(t.state) && t.backend.startsWith(backend));
    const task = this.#pick(own.filter(({ role }) => role === 'worker'));
    if (!task) return 0;
    const to = task.backend === backend ? `${backend}-two` : backend;
    const project = this.#world.project.root;
    await this.#world.call('tasks.sling', { task: task.id, project, backend: to, name: `heir-${to}`, isForced: true });
    return 1;
  }

  async #cancel(): Promise<number> {
    const open = [...this.#world.journal.view.requests.values()].filter(({ state }) => state === 'running');
    const request = this.#pick(open);
    if (!request) return 0;
    await this.#world.call('things.cancel', { id: request.id, reason: 'not wanted any more' });
    return 1;
  }

  async #killAgent(): Promise<number> {
    const { sessions } = this.#world.journal.view;
    const session = this.#pick([...sessions.values()].filter((one) => one.state === 'running' && one.nativeId));
    const agents = [this.#world.agent, ...this.#world.others];
    const agent = agents.find(({ backend }) => session?.backend.startsWith(backend));
    if (!session?.nativeId || !agent) return 0;
    try {
      process.kill(await agent.pidOf(session.nativeId), 'SIGKILL');
      return 1;
    } catch {
      // It has ended by itself meanwhile.
      return 0;
    }
  }

  async #killDaemon(): Promise<number> {
    await this.#world.kill();
    await this.#world.up();
    return 1;
  }
}
