import { isAlive, type ProcessIdentity } from './identity.ts';
import { type ProcessRow, readTable } from './table.ts';

/**
 * A program and its descendants, found by marker, parent, group and session.
 * Who was found once stays known by identity, whatever parent, group or environment it takes later.
 */
export class ProcessTree {
  readonly root: ProcessIdentity;
  readonly #marker: string | null;
  readonly #known = new Set<string>();
  #isGroupOurs: boolean;

  /**
   * `isGroupOurs`: the root is our own child, so that its number names our group also in the moment after its end.
   * Later, and for a stranger's child, the number may be used again; then it counts only while the root lives.
   */
  constructor(root: ProcessIdentity, marker: string | null, isGroupOurs: boolean) {
    this.root = root;
    this.#marker = marker;
    this.#isGroupOurs = isGroupOurs;
  }

  /** The living members. */
  async look(): Promise<readonly ProcessRow[]> {
    const table = await readTable();
    const holder = table.find((row) => row.pid === this.root.pid);
    const isGroupOurs = holder === undefined ? this.#isGroupOurs : holder.startTime === this.root.startTime;
    const members = new Set(table.filter((row) => this.#isMember(row, isGroupOurs)));
    addDescendants(members, table);
    for (const row of members) this.#known.add(keyOf(row));
    return [...members].filter((row) => !row.isZombie && row.pid !== process.pid);
  }

  /** One look now that the root has just ended; from here on its number proves nothing. */
  async lookAfterEnd(): Promise<readonly ProcessRow[]> {
    const rows = await this.look();
    this.#isGroupOurs = false;
    return rows;
  }

  /** Signals these members, those of the group all at once. */
  signal(members: readonly ProcessRow[], signal: NodeJS.Signals): void {
    const inGroup = (row: ProcessRow): boolean => row.group === this.root.pid;
    if (members.some(inGroup)) kill(-this.root.pid, signal);
    for (const row of members) if (!inGroup(row) && isAlive(row)) kill(row.pid, signal);
  }

  #isMember(row: ProcessRow, isGroupOurs: boolean): boolean {
    if (this.#known.has(keyOf(row))) return true;
    if (this.#marker !== null && row.marker === this.#marker) return true;
    return isGroupOurs && (row.group === this.root.pid || row.session === this.root.pid);
  }
}

export const keyOf = ({ pid, startTime }: ProcessIdentity): string => `${pid} ${startTime}`;

/** Adds to `members` everything in the table that descends from one of them. */
export function addDescendants(members: Set<ProcessRow>, table: readonly ProcessRow[]): void {
  const childrenOf = Map.groupBy(table, (row) => row.parent);
  // A set's iteration also visits what is added on the way.
  for (const member of members) for (const child of childrenOf.get(member.pid) ?? []) members.add(child);
}

/** A process that is gone, or that has become another user's, is not signalled; the next look tells. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
