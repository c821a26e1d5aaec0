import { open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

const MAX_BYTES = 64 * 1024;

/**
 * The first of these files that an untrusted project's directory has, at most 64 KiB: an agent program does not read it by
 * itself while the project's configuration is off. A link that leads out of the directory is not followed.
 */
export async function projectInstructions(directory: string, files: readonly string[]): Promise<string | null> {
  for (const file of files) {
    const text = await textOf(directory, file);
    if (text !== null) return `Instructions from: ${file}\n${text}`;
  }
  return null;
}

async function textOf(directory: string, name: string): Promise<string | null> {
  try {
    const path = await realpath(join(directory, name));
    if (!path.startsWith((await realpath(directory)) + sep)) return null;
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    const text = buffer.toString('utf8', 0, bytesRead).trim();
    return text === '' ? null : text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO')
      return null;
    throw error;
  }
}
