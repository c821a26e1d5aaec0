import pino from 'pino';
import { redact } from './redact.ts';

/** The daemon's log: JSON lines. Values of known secret keys and secrets inside texts are masked. */
export type Log = {
  readonly info: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly error: (fields: Readonly<Record<string, unknown>>, message: string) => void;
};

const mask = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> => {
  const { err, ...rest } = fields;
  const masked = redact(rest) as Record<string, unknown>;
  if (err !== undefined) masked.err = redact(err instanceof Error ? (err.stack ?? err.message) : String(err));
  return masked;
};

/** Writes to a file (appending, synchronously: a killed daemon loses no line) or to stderr. */
export function openLog(file: string | null): Log {
  const destination =
    file === null ? pino.destination({ fd: 2, sync: true }) : pino.destination({ dest: file, mkdir: true, sync: true });
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    info: (fields, message) => logger.info(mask(fields), redact(message)),
    warn: (fields, message) => logger.warn(mask(fields), redact(message)),
    error: (fields, message) => logger.error(mask(fields), redact(message)),
  };
}

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };
