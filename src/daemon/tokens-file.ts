import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { writePrivateFile } from './private-file.ts';

const Tokens = z.object({ admin: z.string().startsWith('gty_') });

const fileIn = (home: string): string => join(home, 'tokens');

/** The admin token that the CLI of this home uses; null if there is none yet. @throws AppError bad_config */
export function readAdminToken(home: string): string | null {
  const file = fileIn(home);
  try {
    const tokens = Tokens.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (tokens.success) return tokens.data.admin;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (!(error instanceof SyntaxError)) {
      throw new AppError('bad_config', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }
  throw new AppError('bad_config', `${file} holds no token: remove it and start the daemon again`);
}

export const writeAdminToken = (home: string, admin: string): void =>
  writePrivateFile(fileIn(home), `${JSON.stringify({ admin })}\n`);
