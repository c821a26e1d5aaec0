import type { Agent } from '../../contract/agent.ts';
import { budgetAlert } from '../../contract/message-hold.ts';
import { closeAlert, openAlert, openAlerts } from '../alerts.ts';
import type { Parts } from '../parts.ts';
import { noRoomWithoutTask } from './budget.ts';

const DAY_MS = 86_400_000;

/** Holds the next turn of an agent without a task back while the budget of its role, its project or the day has no room for it. */
export class BudgetHold {
  readonly #parts: Parts;
  readonly #agent: Pick<Agent, 'id' | 'role' | 'projectId'>;
  readonly #on: { readonly begun: () => void; readonly dayOver: () => void };
  #cancelTimer: (() => void) | null = null;

  constructor(
    parts: Parts,
    agent: Pick<Agent, 'id' | 'role' | 'projectId'>,
    on: { readonly begun: () => void; readonly dayOver: () => void },
  ) {
    this.#parts = parts;
    this.#agent = agent;
    this.#on = on;
  }

  get isHeld(): boolean {
    return this.#cancelTimer !== null;
  }

  /** Whether there is room now. If not, an alert says why, and it is to look again when the day is over at the latest. */
  hasRoom(): boolean {
    const cause = noRoomWithoutTask(this.#parts, this.#agent);
    if (cause === null) this.end('there is room again');
    else this.#hold(cause);
    return cause === null;
  }

  end(cause: string): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const { store } = this.#parts;
    // Also one that a killed daemon has left.
    if (openAlerts(store.read)[this.#key] === undefined) return;
    store.commit((tx) => closeAlert(tx, this.#key, cause, { agent: this.#agent.id }));
  }

  #hold(cause: string): void {
    const isNew = !this.isHeld;
    this.#cancelTimer?.();
    const { clock, store } = this.#parts;
    this.#cancelTimer = clock.after(DAY_MS - (clock.now() % DAY_MS), this.#on.dayOver);
    const { id, projectId } = this.#agent;
    const text = `${id} takes no message: ${cause}. It goes on when the limit is raised, or the day (UTC) is over`;
    store.commit((tx) => openAlert(tx, this.#key, text, { agent: id, projectId }));
    if (isNew) this.#on.begun();
  }

  get #key(): string {
    return budgetAlert(this.#agent.id);
  }
}
