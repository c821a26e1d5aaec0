export type SilenceWatch = {
  readonly signal: AbortSignal;
  /** Listening goes on from now. */
  readonly listen: () => void;
  /** Nobody listens now: silence does not count. */
  readonly rest: () => void;
  readonly stop: () => void;
};

/** Aborts `signal` when nothing was heard for `limitMs`, give or take a third. */
export function watchSilence(limitMs: number): SilenceWatch {
  const controller = new AbortController();
  let since: number | null = performance.now();
  const timer = setInterval(() => {
    if (since !== null && performance.now() - since > limitMs) controller.abort();
  }, limitMs / 3);
  return {
    signal: controller.signal,
    listen: (): void => {
      since = performance.now();
    },
    rest: (): void => {
      since = null;
    },
    stop: (): void => clearInterval(timer),
  };
}
