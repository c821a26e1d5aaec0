import { z } from 'zod';
import { timeOfDay } from './facts.ts';
import type { Paint, Style } from './output.ts';
import { oneLine, safeText } from './text.ts';

/** A line of the daemon's log as pino writes it; everything beside is what the line is about. */
const LogRecord = z.looseObject({ level: z.number(), time: z.string(), msg: z.string().default('') });

const LEVELS: Readonly<Record<number, readonly [string, Style | null]>> = {
  30: ['info', null],
  40: ['warn', 'yellow'],
  50: ['error', 'red'],
  60: ['fatal', 'red'],
};

/** The record of a line; what is none, as a last word of Node's own, stays the text that it is. */
export function logRecord(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

/** The lines that a person reads: time, level, words, `name=value`; the trace of an error below it. */
export function daemonLogLines(line: string, paint: Paint): string[] {
  const record = LogRecord.safeParse(logRecord(line));
  if (!record.success) return [safeText(line)];
  const { level, time, msg, err, ...about } = record.data;
  const [word, style] = LEVELS[level] ?? [String(level), null];
  const fields = Object.entries(about).map(([name, value]) => `${name}=${oneLine(valueText(value))}`);
  const text = [oneLine(msg), ...fields].join(' ');
  const trace = typeof err === 'string' ? safeText(err).split('\n') : [];
  return [
    `${paint('dim', timeOfDay(Date.parse(time)))} ${style === null ? word.padEnd(5) : paint(style, word.padEnd(5))} ${text}`,
    ...trace.map((each) => `  ${each}`),
  ];
}

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
