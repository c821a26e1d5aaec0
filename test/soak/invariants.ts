import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMergeOver } from '../../src/contract/merge.ts';
import { isSessionOver } from '../../src/contract/session.ts';
import { isTaskOver, type Task } from '../../src/contract/task.ts';
import { doubleAttempts } from '../support/double-attempts.ts';
import { lineOf } from '../support/journal-watch.ts';
import type { World } from '../support/world.ts';

/** Something that is settled in a moment may be seen in between. */
const GRACE_MS = 30_000;
/** The daemon's memory, open files and the processes of the fleet: never more than that. */
const MOST = { megabytes: 400, files: 250, processes: 80 };
/** The last third of a run may be so much above the first. */
const GROWTH = { factor: 1.4, megabytes: 30, files: 20 };
const MOST_BYTES_PER_FACT = 8_000;

/** What /proc says of a process that is no more. */
const GONE = ['ENOENT', 'ESRCH'];

export type Sample = {
  readonly at: number;
  readonly megabytes: number;
  readonly files: number;
  readonly processes: number;
};

/** What must hold at every tick, and at the end, of a fleet that is left to chance. */
export class Invariants {
  readonly #world: World;
  readonly faults: string[] = [];
  readonly samples: Sample[] = [];
  readonly #alerts = new Set<string>();
  /** How many facts were looked at. */
  #seen = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async tick(): Promise<void> {
    this.#facts();
    this.#rows(Date.now());
    // Between a kill and the next start there is no daemon to look at.
    if (!this.#world.hasDaemon) return;
    try {
      await this.#sample();
    } catch (error) {
      if (!GONE.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }

  /** Two live attempts of a task, an alert that is opened again while it is open. */
  #facts(): void {
    const { facts } = this.#world.journal;
    for (const fact of facts.slice(this.#seen)) {
      if (fact.kind === 'alert.opened') {
        if (this.#alerts.has(fact.data.key)) this.faults.push(`an alert twice: ${lineOf(fact)}`);
        this.#alerts.add(fact.data.key);
      }
      if (fact.kind === 'alert.closed') this.#alerts.delete(fact.data.key);
    }
    this.faults.push(...doubleAttempts(facts).map((line) => `two live attempts: ${line}`));
    this.#seen = facts.length;
  }

  #rows(now: number): void {
    const { sessions, attempts, messages } = this.#world.journal.view;
    for (const session of sessions.values()) {
      if (session.state !== 'running' || session.purpose !== 'attempt' || now - session.updatedAt < GRACE_MS) continue;
      const attempt = attempts.get(session.attemptId ?? '');
      const isOld = attempt?.endedAt != null && now - attempt.endedAt > GRACE_MS;
      if (!attempt || isOld)
        this.faults.push(`${session.id} (${session.backend}) lives and nobody needs it: ${attempt?.state}`);
    }
    for (const { id, state, expiresAt } of messages.values()) {
      if (state === 'queued' && expiresAt !== null && now - expiresAt > GRACE_MS)
        this.faults.push(`${id} is queued ${now - expiresAt} ms after its time`);
    }
  }

  async #sample(): Promise<void> {
    const pid = this.#world.daemonPid;
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const megabytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
    // A daemon that was killed, and whose end its parent has not read yet, has no memory any more.
    if (Number.isNaN(megabytes)) return;
    const files = (await readdir(`/proc/${pid}/fd`)).length;
    const processes = (await this.#world.strangers()).length;
    const sample = { at: Date.now(), megabytes, files, processes };
    this.samples.push(sample);
    for (const [what, most] of Object.entries(MOST)) {
      const value = sample[what as keyof typeof MOST];
      if (value > most) this.faults.push(`${what} of the daemon: ${value}, more than ${most}`);
    }
  }

  /** After everything was let come to its end. */
  async end(): Promise<void> {
    this.#facts();
    const { tasks, sessions, merges } = this.#world.journal.view;
    const open = [
      ...[...tasks.values()].filter((task) => !isExplained(task)),
      ...[...merges.values()].filter(({ state }) => !isMergeOver(state)),
      ...[...sessions.values()].filter(({ state }) => !isSessionOver(state) && state !== 'paused'),
    ];
    if (this.samples.length === 0) this.faults.push('the daemon was never looked at');
    this.faults.push(...open.map(({ id, state, cause }) => `at the end ${id} is ${state}: ${cause}`));
    for (const { command } of await this.#world.strangers()) this.faults.push(`a process is left: ${command}`);
    this.#growth();
    const perFact = await this.bytesPerFact();
    if (perFact > MOST_BYTES_PER_FACT) this.faults.push(`the store holds ${Math.round(perFact)} bytes for each fact`);
  }

  #growth(): void {
    const third = Math.floor(this.samples.length / 3);
    if (third < 3) return;
    for (const what of ['megabytes', 'files'] as const) {
      const [first, last] = [this.samples.slice(0, third), this.samples.slice(-third)].map((part) =>
        middle(part.map((sample) => sample[what])),
      ) as [number, number];
      if (last > first * GROWTH.factor + GROWTH[what])
        this.faults.push(`${what} of the daemon grew from ${Math.round(first)} to ${Math.round(last)}`);
    }
  }

  async bytesPerFact(): Promise<number> {
    const files = (await readdir(this.#world.home)).filter((name) => name.includes('.db'));
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(this.#world.home, name))).size));
    return sizes.reduce((a, b) => a + b, 0) / Math.max(1, this.#world.journal.facts.length);
  }
}

const isExplained = ({ state, cause }: Task): boolean =>
  state === 'done' || ((isTaskOver(state) || state === 'waiting') && (cause ?? '') !== '');

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
