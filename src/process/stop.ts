import { pause, settled } from '../base/wait.ts';
import type { Exit } from './child.ts';
import { isAlive, type ProcessIdentity } from './identity.ts';
import type { ProcessRow } from './table.ts';
import { keyOf, ProcessTree } from './tree.ts';

export type StopOptions = {
  /** Time to end by itself, given once after the end of stdin (if `isStdinEndedFirst`) and once after TERM. */
  readonly graceMs: number;
  /** For programs that leave cleanly at the end of their input. */
  readonly isStdinEndedFirst?: boolean;
};

/** What a stop found. The exit is unknown (both null) for a program that is not our child. */
export type StopReport = {
  readonly code: number | null;
  readonly signal: string | null;
  /** Descendants that were ended though they had left the program's group. */
  readonly swept: number;
  /** Pids that are still alive after KILL. */
  readonly survivors: readonly number[];
};

/** Our own child, with its end to wait for. */
export type OwnProgram = {
  readonly tree: ProcessTree;
  readonly exited: Promise<Exit>;
  readonly endInput: () => void;
};

/** KILL cannot be refused; only a process in uninterruptible sleep outlasts this. */
const KILL_LIMIT_MS = 5_000;
const POLL_MS = 20;

/** TERM to every member, graceMs later KILL; looks again until none is left. Optionally ends stdin first. */
export async function stopOwn(program: OwnProgram, options: StopOptions): Promise<StopReport> {
  if (options.isStdinEndedFirst) {
    program.endInput();
    // Descendants are looked for while the program can still be asked whose they are.
    await program.tree.look();
    await settled(program.exited, options.graceMs);
  }
  const { swept, survivors } = await endTree(program.tree, options.graceMs);
  const exit = await settled(program.exited, KILL_LIMIT_MS);
  return { code: exit?.code ?? null, signal: exit?.signal ?? null, swept, survivors };
}

/** The same for a program that is not our child, as after a restart: its end is seen by asking for it. */
export async function stopStranger(
  identity: ProcessIdentity,
  marker: string,
  { graceMs }: Pick<StopOptions, 'graceMs'>,
): Promise<StopReport> {
  const ended = await endTree(new ProcessTree(identity, marker, false), graceMs);
  return { code: null, signal: null, ...ended };
}

async function endTree(tree: ProcessTree, graceMs: number): Promise<Pick<StopReport, 'swept' | 'survivors'>> {
  const signalled = new Map<string, ProcessRow>();
  await signalUntilGone(tree, 'SIGTERM', graceMs, signalled);
  const left = await signalUntilGone(tree, 'SIGKILL', KILL_LIMIT_MS, signalled);
  const outside = [...signalled.values()].filter((row) => row.group !== tree.root.pid);
  return { swept: outside.length, survivors: left.map((row) => row.pid) };
}

async function signalUntilGone(
  tree: ProcessTree,
  signal: NodeJS.Signals,
  limitMs: number,
  signalled: Map<string, ProcessRow>,
): Promise<readonly ProcessRow[]> {
  const end = performance.now() + limitMs;
  const told = new Set<string>();
  for (;;) {
    const left = await tree.look();
    tree.signal(
      left.filter((row) => !told.has(keyOf(row))),
      signal,
    );
    for (const row of left) {
      told.add(keyOf(row));
      signalled.set(keyOf(row), row);
    }
    while (left.some(isAlive) && performance.now() < end) await pause(POLL_MS);
    if (left.length === 0 || performance.now() >= end) return left.filter(isAlive);
  }
}
