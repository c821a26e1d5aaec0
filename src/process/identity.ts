/** One process for all time: a pid alone is used again. JSON-safe, to be stored. */
export type ProcessIdentity = {
  readonly pid: number;
  /** Opaque: Linux `<start tick>@<boot id>`, elsewhere the start date as `ps` prints it. */
  readonly startTime: string;
};
