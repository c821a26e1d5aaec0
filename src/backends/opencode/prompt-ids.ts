import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Ids of one millisecond are counted in the lowest 12 bits. */
const PER_MS = 4096n;
const TIME_BITS = 48n;

/**
 * Makes ids in OpenCode's format, sorted by time: prefix, 12 hex digits of (ms · 4096 + counter) mod 2^48, 14 letters
 * (reference: opencode-ai 1.18.33). The ids of one prompt share their time.
 */
export function promptIdsOf(clock: Clock): () => Readonly<{ messageId: string; partId: string }> {
  let last = 0n;
  return () => {
    const now = BigInt(clock.now()) * PER_MS;
    last = now > last ? now : last + 1n;
    const time = BigInt.asUintN(Number(TIME_BITS), last).toString(16).padStart(12, '0');
    return { messageId: `msg_${time}${letters(14)}`, partId: `prt_${time}${letters(14)}` };
  };
}

function letters(count: number): string {
  let text = '';
  for (const byte of randomBytes(count)) text += LETTERS.charAt(byte % LETTERS.length);
  return text;
}
