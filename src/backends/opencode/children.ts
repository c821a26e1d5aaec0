import type { ChildState, TurnOutcome } from '../../contract/fact.ts';
import type { BackendEvent } from '../backend.ts';
import type { NativeEntry, NativeError, NativeEvent, NativeMessage, NativeSession } from './dialect.ts';
import { standingOf } from './outcome.ts';

type Child = {
  readonly id: string;
  /** When its newest prompt was put: what is older is of an earlier one. */
  promptAt: number;
  /** The newest answer to it. */
  last: NativeMessage | null;
  error: NativeError | null;
  isIdle: boolean;
  told: ChildState | null;
};

/** As the tool `task` takes it (opencode-ai 1.18.33): after a refusal that ended the turn it fails. */
const STATES: Readonly<Record<TurnOutcome, ChildState>> = {
  done: 'done',
  length: 'done',
  rejected: 'failed',
  failed: 'failed',
  interrupted: 'stopped',
};

/** The sub-agents of a session, theirs included: that they are there, and by the outcome rule where each stands. */
export class Children {
  readonly #rootId: string;
  readonly #emit: (event: BackendEvent) => void;
  readonly #onNew: (childId: string) => void;
  readonly #all = new Map<string, Child>();

  constructor(rootId: string, emit: (event: BackendEvent) => void, onNew: (childId: string) => void) {
    this.#rootId = rootId;
    this.#emit = emit;
    this.#onNew = onNew;
  }

  met({ id, title, parentId }: NativeSession): void {
    if (id === this.#rootId || this.#all.has(id)) return;
    this.#all.set(id, { id, promptAt: 0, last: null, error: null, isIdle: false, told: null });
    this.#onNew(id);
    const parent = parentId === this.#rootId ? undefined : (parentId ?? undefined);
    this.#emit({ type: 'child-started', nativeId: id, title, parentId: parent });
  }

  /** One that the program lists, with what its history has of this turn. */
  found(session: NativeSession, entries: readonly NativeEntry[], isBusy: boolean): void {
    this.met(session);
    const child = this.#all.get(session.id);
    if (!child) return;
    for (const { message } of entries) this.#message(child, message);
    child.isIdle = !isBusy;
    if (isBusy) this.#tell(child, 'running');
    // Nobody works on an answer that has no end: it was cut with an earlier server.
    else if (!this.#settle(child) && child.last) this.#tell(child, 'stopped');
  }

  take(event: NativeEvent): void {
    const child = 'sessionId' in event ? this.#all.get(event.sessionId) : undefined;
    if (!child) return;
    switch (event.type) {
      case 'busy':
      case 'retry':
        child.isIdle = false;
        this.#tell(child, 'running');
        break;
      case 'idle':
        child.isIdle = true;
        break;
      case 'error':
        child.error ??= event.error;
        break;
      case 'message':
        this.#message(child, event.message);
        break;
      default:
        return;
    }
    // It is also idle before the message of its end: then that one decides.
    if (child.isIdle) this.#settle(child);
  }

  #message(child: Child, message: NativeMessage): void {
    if (message.role === 'user') {
      if (message.createdAt <= child.promptAt) return;
      child.promptAt = message.createdAt;
      [child.last, child.error, child.isIdle] = [null, null, false];
      return;
    }
    const { last, promptAt } = child;
    if (message.createdAt < Math.max(promptAt, last?.createdAt ?? 0)) return;
    // A history that was read before the end came is not news.
    if (last?.id === message.id && last.completedAt !== null && message.completedAt === null) return;
    child.last = message;
  }

  #settle(child: Child): boolean {
    const last = child.last && { message: child.last, parts: [] };
    const standing = standingOf({ last, isOfTurn: true, error: child.error });
    if (standing.type !== 'over') return false;
    this.#tell(child, STATES[standing.verdict.outcome]);
    return true;
  }

  #tell(child: Child, state: ChildState): void {
    if (child.told === state) return;
    child.told = state;
    this.#emit({ type: 'child-state', nativeId: child.id, state });
  }
}
