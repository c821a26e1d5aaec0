/** Of a whole process tree, at one moment. */
export type TreeUsage = {
  readonly processes: number;
  readonly rssBytes: number;
  /** User and system time of the living, and of children they have waited for. */
  readonly cpuMs: number;
};
