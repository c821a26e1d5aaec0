import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive } from '../process/identity.ts';
import { writePrivateFile } from './private-file.ts';

/** What a running daemon tells about itself in `daemon.json`. */
export const DaemonRecord = z.object({
  pid: z.number().int().positive(),
  startTime: z.string(),
  url: z.string(),
  version: z.string(),
});
export type DaemonRecord = z.infer<typeof DaemonRecord>;

const fileIn = (home: string): string => join(home, 'daemon.json');

export const writeDaemonFile = (home: string, record: DaemonRecord): void =>
  writePrivateFile(fileIn(home), `${JSON.stringify(record)}\n`);

export const removeDaemonFile = (home: string): void => rmSync(fileIn(home), { force: true });

/** The daemon of this home whose process lives; null for none, and for the file of a process that is gone. */
export function readDaemonFile(home: string): DaemonRecord | null {
  try {
    const record = DaemonRecord.safeParse(JSON.parse(readFileSync(fileIn(home), 'utf8')));
    return record.success && isAlive(record.data) ? record.data : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
