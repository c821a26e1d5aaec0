import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pause } from '../../base/wait.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import { readLines } from '../../process/lines.ts';
import { itemsOf, type Standing, standingIn } from './history.ts';
import { WireTranscriptLine } from './wire.ts';

/** Of longer lines nothing is used: a tool's output is never so long, a snapshot of a request may be. */
const MAX_LINE_BYTES = 10 * 1024 * 1024;
/** Where the newest call is looked for. */
const TAIL_BYTES = 1024 * 1024;
/** The program (2.1.329) writes within about 0.4 s. */
const NOTED_LIMIT_MS = 1_500;
const NOTED_POLL_MS = 20;

/** Claude Code's own record of a conversation: read for recovery and to be shown, never written. */
export class Transcript {
  readonly #projects: string;
  readonly #nativeId: string;
  #path: string | null = null;

  constructor(configDirectory: string, nativeId: string) {
    this.#projects = join(configDirectory, 'projects');
    this.#nativeId = nativeId;
  }

  /** Where the conversation works; null if there is none: Claude Code keeps it from its first prompt on. */
  async directory(): Promise<string | null> {
    for await (const { cwd } of this.#lines()) if (cwd !== undefined) return cwd;
    return null;
  }

  /** What became of a prompt. */
  async standing(uuid: string): Promise<Standing> {
    return standingIn(await Array.fromAsync(this.#lines(uuid)), uuid);
  }

  /** Whether a word is at its end; waits for it, as the program writes a moment later, but not for ever. */
  async holds(word: string): Promise<boolean> {
    const end = performance.now() + NOTED_LIMIT_MS;
    for (;;) {
      if ((await this.#tail()).includes(word)) return true;
      if (performance.now() >= end) return false;
      await pause(NOTED_POLL_MS);
    }
  }

  async #tail(): Promise<Buffer> {
    const path = await this.#find();
    if (path === null) return Buffer.alloc(0);
    await using file = await open(path);
    const { size } = await file.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer;
  }

  async items(): Promise<readonly TranscriptItem[]> {
    return itemsOf(await Array.fromAsync(this.#lines()));
  }

  /** The lines that are of the conversation itself, from the first on that holds the word. */
  async *#lines(from = ''): AsyncGenerator<WireTranscriptLine, void, undefined> {
    const path = await this.#find();
    if (path === null) return;
    let isFound = false;
    for await (const { text, isTruncated } of readLines(createReadStream(path), MAX_LINE_BYTES, NEVER)) {
      isFound ||= text.includes(from);
      if (!isFound) continue;
      const line = isTruncated ? null : parsed(text);
      if (line && !line.isSidechain && ['user', 'assistant', 'attachment'].includes(line.type)) yield line;
    }
  }

  /** By its name in any directory: a conversation stays where it began, whatever directory it is resumed from. */
  async #find(): Promise<string | null> {
    if (this.#path !== null) return this.#path;
    const directories = await readdir(this.#projects).catch(noEntries);
    for (const directory of directories) {
      const path = join(this.#projects, directory, `${this.#nativeId}.jsonl`);
      if ((await stat(path).catch(() => null))?.isFile()) this.#path = path;
    }
    return this.#path;
  }
}

/** A file ends by itself. */
const NEVER = new Promise<never>(() => undefined);

/** Null for what cannot be read: the last line of a killed program, a kind of line that is not known. */
function parsed(text: string): WireTranscriptLine | null {
  try {
    return WireTranscriptLine.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function noEntries(error: unknown): string[] {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return [];
  throw error;
}
