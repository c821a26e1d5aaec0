import { open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';

const FILE = 'AGENTS.md';
const MAX_BYTES = 64 * 1024;

/**
 * The AGENTS.md of an untrusted project's directory, at most 64 KiB: OpenCode itself does not read it while the project's
 * configuration is off. A link that leads out of the directory is not followed.
 */
export async function projectInstructions(directory: string): Promise<string | null> {
  try {
    const path = await realpath(join(directory, FILE));
    if (!path.startsWith((await realpath(directory)) + sep)) return null;
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    const text = buffer.toString('utf8', 0, bytesRead).trim();
    return text === '' ? null : `Instructions from: ${FILE}\n${text}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO')
      return null;
    throw error;
  }
}
