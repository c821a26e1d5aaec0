import type { Between } from '../../store/event-times.ts';
import type { EventRow } from '../../store/events.ts';

/** Which events: all that is named must hold, of several values one. */
export type EventFilter = {
  readonly sources: readonly string[];
  readonly sessions: readonly string[];
  readonly types: readonly string[];
  /** Of Gantry's own sessions that they came from: the project's id, the task's, the agent's address. */
  readonly projects: readonly string[];
  readonly tasks: readonly string[];
  readonly agents: readonly string[];
};

export type EventQuery = EventFilter &
  Between & {
    /** ms, of receipt; `to` is not contained. */
    readonly from: number;
    readonly to: number;
    readonly limit: number;
    /** Characters of all of them; one may have more. */
    readonly maxLength: number;
  };

/** The names that an event itself says, which are only parsed if they are asked for. */
type Said = { readonly source_app: string; readonly session_id: string; readonly hook_event_type: string };

/** Whether a stored event is one of those. */
export function wants({ sources, sessions, types, projects, tasks, agents }: EventFilter): (row: EventRow) => boolean {
  const isOneOf = (names: readonly string[], name: string | null): boolean =>
    names.length === 0 || (name !== null && names.includes(name));
  const isSaid = ({ json }: EventRow): boolean => {
    if (sources.length + sessions.length + types.length === 0) return true;
    const event = JSON.parse(json) as Said;
    return (
      isOneOf(sources, event.source_app) && isOneOf(sessions, event.session_id) && isOneOf(types, event.hook_event_type)
    );
  };
  return (row) =>
    isOneOf(projects, row.projectId) && isOneOf(tasks, row.taskId) && isOneOf(agents, row.agent) && isSaid(row);
}

/** Takes events until there are as many, or as long ones, as a query wants. */
export class Taken {
  readonly rows: EventRow[] = [];
  readonly #query: EventQuery;
  readonly #isWanted: (row: EventRow) => boolean;
  #length = 0;
  isFull = false;

  constructor(query: EventQuery) {
    this.#query = query;
    this.#isWanted = wants(query);
  }

  /** Takes the event if it is wanted and there is room. */
  add(row: EventRow): void {
    const { from, to, limit, maxLength } = this.#query;
    if (this.isFull || row.at < from || row.at >= to || !this.#isWanted(row)) return;
    this.#length += row.json.length;
    const isFit = this.rows.length === 0 || this.#length <= maxLength;
    if (isFit) this.rows.push(row);
    this.isFull = !isFit || this.rows.length >= limit;
  }
}
