/** Numbers and times as people read them. Every number has its unit. */

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `2 h 5 min`, `3.2 s`, `40 ms`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  const first = UNITS.findIndex(([, size]) => ms >= size);
  const [unit, size] = UNITS[first] ?? UNITS[3];
  const next = UNITS[first + 1];
  const whole = Math.floor(ms / size);
  if (next === undefined) return `${whole} ${unit}`;
  const rest = Math.floor((ms % size) / next[1]);
  return rest === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${next[0]}`;
}

/** `5 min ago`, `in 20 s`, `now`. */
export function relative(at: number, now: number): string {
  const ms = Math.abs(now - at);
  if (ms < 2_000) return 'now';
  const [unit, size] = UNITS.find(([, one]) => ms >= one) ?? UNITS[3];
  const text = `${Math.floor(ms / size)} ${unit}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

/** What a relative time stands for. */
export const absolute = (at: number): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** To the millisecond: rows of one second keep their order for the eye. */
export const clockTime = (at: number): string => {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
};

/** `950`, `12.3 k`, `4.5 M`. */
export function short(count: number): string {
  if (count < 1_000) return String(Math.round(count));
  if (count < 1_000_000) return `${trim(count / 1_000)} k`;
  return `${trim(count / 1_000_000)} M`;
}

const trim = (value: number): string => value.toFixed(value < 100 ? 1 : 0).replace(/\.0$/, '');

/** `12.3 k tokens`; with one token too. */
export const tokens = (count: number): string => `${short(count)} ${count === 1 ? 'token' : 'tokens'}`;

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** An amount of money that is known; what is not known is told as `unknown`. */
export function money(usd: number | null): string {
  if (usd === null) return 'unknown';
  if (usd === 0) return '$0';
  return usd < 0.01 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

/** The first line, at most `limit` characters. */
export function firstLine(text: string, limit = 160): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
