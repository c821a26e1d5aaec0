import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { isAlive } from '../process/identity.ts';
import { writePrivateFile } from './private-file.ts';

/** What a running daemon tells about itself in `daemon.json`. */
export const DaemonRecord = z.object({
  pid: z.number().int().positive(),
  startTime: z.string(),
  url: z.string(),
  version: z.string(),
  /** Which home it serves: the file may come to another place with a copy of the home. Older daemons do not tell. */
  home: z.string().optional(),
});
export type DaemonRecord = z.infer<typeof DaemonRecord>;

const fileIn = (home: string): string => join(home, 'daemon.json');

export const writeDaemonFile = (home: string, record: DaemonRecord): void =>
  writePrivateFile(fileIn(home), `${JSON.stringify({ ...record, home: realpathSync(home) })}\n`);

export const removeDaemonFile = (home: string): void => rmSync(fileIn(home), { force: true });

/**
 * The daemon of this home whose process lives; null for none, and for the file of a process that is gone.
 * @throws AppError bad_config for a copy of a home whose daemon runs: that one must not be stopped by the copy's name, and
 * one of the copy would take its agents for its own
 */
export function readDaemonFile(home: string): DaemonRecord | null {
  const record = readRecord(home);
  if (record === null || !isAlive(record)) return null;
  const { home: served, pid } = record;
  if (served !== undefined && served !== realpathSync(home) && existsSync(served)) {
    throw new AppError('bad_config', `${home} is a copy of ${served}, whose daemon runs (pid ${pid})`, {
      details: { remedy: `Stop that one first: gantry down --home ${served}` },
    });
  }
  return record;
}

function readRecord(home: string): DaemonRecord | null {
  try {
    return DaemonRecord.safeParse(JSON.parse(readFileSync(fileIn(home), 'utf8'))).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
