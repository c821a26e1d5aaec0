import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TurnOutcome } from '../../contract/fact.ts';
import { Failure } from '../../contract/failure.ts';
import { PromptId } from '../../contract/ids.ts';
import { Usage } from '../../contract/usage.ts';

const TurnEnd = z.object({
  outcome: TurnOutcome,
  text: z.string(),
  failure: Failure.nullable(),
  usage: Usage,
});
export type TurnEnd = z.infer<typeof TurnEnd>;

const Given = z.object({
  id: PromptId,
  /** Of the words that were sent: which of the user's messages in a replay it is. */
  hash: z.string(),
  /** Null: its turn was not seen to end. */
  end: TurnEnd.nullable(),
});

const SessionNotes = z.object({
  nativeId: z.string(),
  /** Real path of the directory that the session works in. */
  directory: z.string(),
  /** The agent's own sum, of which the cost of the next turn is the rest; null: not known. */
  costUsd: z.number().nullable(),
  prompts: z.array(Given),
});
export type SessionNotes = z.infer<typeof SessionNotes>;

/** Prompts that are remembered per session, and sessions; nobody comes back to older ones. */
const MAX_PROMPTS = 100;
const MAX_SESSIONS = 1_000;
const MAX_TEXT_CHARS = 64_000;

/**
 * What the driver must know of a session after a crash and ACP does not tell: that it is one of ours, where it works, and
 * which prompts it was given. One file per session.
 */
export class Notes {
  readonly #directory: string;

  constructor(home: string) {
    this.#directory = join(home, 'sessions');
  }

  /** Null if Gantry has not made that session, or has forgotten it. */
  async read(nativeId: string): Promise<SessionNotes | null> {
    try {
      const notes = SessionNotes.parse(JSON.parse(await readFile(this.#file(nativeId), 'utf8')));
      return notes.nativeId === nativeId ? notes : null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }

  async write(notes: SessionNotes): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = this.#file(notes.nativeId);
    const kept = { ...notes, prompts: notes.prompts.slice(-MAX_PROMPTS) };
    await writeFile(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  /** Forgets the oldest beyond the bound. */
  async trim(): Promise<void> {
    const names = await readdir(this.#directory).catch(() => []);
    if (names.length <= MAX_SESSIONS) return;
    const files = await Promise.all(
      names.map(async (name) => ({ path: join(this.#directory, name), ...(await stat(join(this.#directory, name))) })),
    );
    const oldest = files.sort((a, b) => a.mtimeMs - b.mtimeMs).slice(0, files.length - MAX_SESSIONS);
    await Promise.all(oldest.map(({ path }) => rm(path, { force: true })));
  }

  #file(nativeId: string): string {
    return join(this.#directory, `${createHash('sha256').update(nativeId).digest('hex').slice(0, 32)}.json`);
  }
}

export const hashOf = (text: string): string => createHash('sha256').update(text.trim()).digest('hex').slice(0, 32);

/** Where a prompt stands that may have been given before. */
export type Standing =
  | { readonly type: 'new' }
  /** The agent has it, and its turn did not end. */
  | { readonly type: 'cut' }
  | { readonly type: 'over'; readonly end: TurnEnd };

/** `userTexts`: what users said, in the agent's own replay; null: it has told none. */
export function standingOf({ prompts }: SessionNotes, promptId: string, userTexts: readonly string[] | null): Standing {
  const at = prompts.findIndex((given) => given.id === promptId);
  const given = prompts[at];
  if (!given) return { type: 'new' };
  // An interruption is not final: whoever sends the prompt again wants it to go on.
  if (given.end && given.end.outcome !== 'interrupted') return { type: 'over', end: given.end };
  const before = prompts.slice(0, at).filter((one) => one.hash === given.hash).length;
  // Without a replay it is taken for given: twice is worse than a word too many.
  const isThere = userTexts === null || userTexts.filter((text) => hashOf(text) === given.hash).length > before;
  return { type: isThere ? 'cut' : 'new' };
}

export const cutText = (text: string): string => text.slice(0, MAX_TEXT_CHARS);
