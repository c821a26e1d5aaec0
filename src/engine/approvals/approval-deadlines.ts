import type { Approval } from '../../contract/approval.ts';
import type { ApprovalId } from '../../contract/ids.ts';
import type { Parts } from '../parts.ts';

/**
 * A deadline that could not be written down (a full disk, a locked store), or of a paused request, which is given more time
 * when it goes on, is looked at again after so long.
 */
const AGAIN_MS = 5_000;

/** No approval waits for ever: each pending one is over at its time. */
export class Deadlines {
  readonly #parts: Pick<Parts, 'store' | 'clock' | 'log'>;
  readonly #onOver: (approval: Approval) => void;
  readonly #timers = new Map<ApprovalId, () => void>();

  /** `onOver` is called with an approval whose time is over and that is still pending. */
  constructor(parts: Pick<Parts, 'store' | 'clock' | 'log'>, onOver: (approval: Approval) => void) {
    this.#parts = parts;
    this.#onOver = onOver;
  }

  arm({ id, expiresAt }: Approval): void {
    if (!this.#timers.has(id)) this.#wait(id, expiresAt - this.#parts.clock.now());
  }

  disarm(id: ApprovalId): void {
    this.#timers.get(id)?.();
    this.#timers.delete(id);
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #wait(id: ApprovalId, ms: number): void {
    const cancel = this.#parts.clock.after(ms, () => this.#look(id));
    this.#timers.set(id, cancel);
  }

  #isPaused({ requestId }: Approval): boolean {
    return requestId !== null && this.#parts.store.read.requests.get(requestId)?.state === 'paused';
  }

  #look(id: ApprovalId): void {
    const row = this.#parts.store.read.approvals.get(id);
    this.#timers.delete(id);
    if (row?.state !== 'pending') return;
    try {
      // A timer may be shorter than what it was asked for.
      if (row.expiresAt > this.#parts.clock.now()) this.arm(row);
      else if (this.#isPaused(row)) this.#wait(id, AGAIN_MS);
      else this.#onOver(row);
    } catch (error) {
      this.#parts.log.error({ err: error, approval: id }, 'an approval could not be ended at its deadline');
      this.#wait(id, AGAIN_MS);
    }
  }
}
