/** Aborts `signal` when nothing was heard for `limitMs`, give or take a third. */
export function watchSilence(limitMs: number) {
  const controller = new AbortController();
  let since: number | null = performance.now();
  const timer = setInterval(() => {
    if (since !== null && performance.now() - since > limitMs) controller.abort();
  }, limitMs / 3);
  return {
    signal: controller.signal,
    /** Listening goes on from now. */
    listen: (): void => {
      since = performance.now();
    },
    /** Nobody listens now: silence does not count. */
    rest: (): void => {
      since = null;
    },
    stop: (): void => clearInterval(timer),
  };
}
