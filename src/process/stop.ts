/** What a stop found. The exit is unknown (both null) for a program that is not our child. */
export type StopReport = {
  readonly code: number | null;
  readonly signal: string | null;
  /** Descendants that had left the group and were ended one by one. */
  readonly swept: number;
  /** Pids that are still alive after KILL. */
  readonly survivors: readonly number[];
};
