import type { Fact } from '../../src/contract/fact.ts';

/** How long each tool ran, ms, by the position of the fact of its end; a tool whose start is not there has no time. */
export function toolTimes(facts: readonly Fact[]): Map<number, number> {
  const begun = new Map<string, number>();
  const times = new Map<number, number>();
  for (const { kind, data, at, seq, sessionId } of facts) {
    if (kind === 'tool.started') begun.set(`${sessionId} ${data.callId}`, at);
    if (kind !== 'tool.ended') continue;
    const from = begun.get(`${sessionId} ${data.callId}`);
    if (from !== undefined) times.set(seq, at - from);
  }
  return times;
}
