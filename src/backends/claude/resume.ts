import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import { identityOf, isAlive } from '../../process/identity.ts';
import type { OpenSpec } from '../backend.ts';
import { Transcript } from './transcript.ts';

/** What a running Claude Code tells of itself in `sessions/<pid>.json` of its configuration. */
const LiveEntry = z.object({
  pid: z.number(),
  sessionId: z.string(),
  procStart: z.string().optional(),
  status: z.string().optional(),
});
type LiveEntry = z.infer<typeof LiveEntry>;

/**
 * Why a conversation cannot be gone on with; null if it can, or is a new one.
 * @throws AppError `conflict` if another program has it open: Claude Code takes no lock, and of two writers one is lost.
 */
export async function whyNotResumed(
  { from, directory }: Pick<OpenSpec, 'from' | 'directory'>,
  configDirectory: string,
): Promise<string | null> {
  if (from.type === 'new') return null;
  const { nativeId } = from;
  const made = await new Transcript(configDirectory, nativeId).directory();
  if (made === null) return `Claude Code does not know the session ${nativeId}`;
  const real = (path: string): Promise<string> => realpath(path).catch(() => path);
  // A fork is a conversation of its own, in its own directory.
  if (from.type === 'resume' && (await real(made)) !== (await real(directory))) {
    return `the session ${nativeId} works in ${made}, and Claude Code cannot move it`;
  }
  const holder = from.type === 'resume' ? await holderOf(nativeId, configDirectory) : null;
  if (holder !== null) {
    throw new AppError('conflict', `session ${nativeId} is open in another Claude Code (process ${holder.pid})`);
  }
  return null;
}

/** The process that has the session open; null if there is none. A killed one leaves its entry behind. */
export async function holderOf(nativeId: string, configDirectory: string): Promise<LiveEntry | null> {
  const directory = join(configDirectory, 'sessions');
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.endsWith('.json')) continue;
    const text = await readFile(join(directory, name), 'utf8').catch(() => '');
    const entry = LiveEntry.safeParse(parsed(text)).data;
    if (entry?.sessionId === nativeId && isRunning(entry)) return entry;
  }
  return null;
}

/** On Linux the start is the tick that our own identities begin with; elsewhere a living pid must do. */
function isRunning({ pid, procStart }: LiveEntry): boolean {
  const identity = identityOf(pid);
  // A zombie still has an identity: after the death of its parent it may wait long to be reaped.
  if (identity === null || !isAlive(identity)) return false;
  return process.platform !== 'linux' || procStart === undefined || identity.startTime.startsWith(`${procStart}@`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
