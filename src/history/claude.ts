import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { namesIn } from '../base/directory.ts';
import type { HistoryHit, HistoryMessage, HistorySession } from '../contract/history.ts';
import { addUsage, hasTokens, NO_USAGE, type Usage } from '../contract/usage.ts';
import { type ConversationLine, joined, lineOf, messageOf } from './claude-lines.ts';
import { wordsOf } from './opencode-rows.ts';
import { excerptOf, type Source } from './source.ts';

/** What is read of a transcript to name its session. */
const HEAD_BYTES = 256 * 1024;
/** Lines that are longer are passed over: snapshots and images, not words. */
const MAX_LINE_CHARS = 10 * 1024 * 1024;
const MAX_TITLE_CHARS = 100;
/** The name of a session's own file; sub-agents' are in a folder beside it. */
const TRANSCRIPT = /^[0-9a-f-]{36}\.jsonl$/;

type Transcript = { readonly path: string; readonly id: string; readonly at: number };

/** The transcripts of Claude Code below its `projects` directory. They are appended to while they are read. */
export function claudeSource(projects: string): Source {
  const find = async (id: string): Promise<Transcript | undefined> =>
    (await transcriptsOf(projects)).find((one) => one.id === id);
  return {
    source: 'claude',
    store: projects,
    sessions: async (limit) => await Promise.all((await transcriptsOf(projects)).slice(0, limit).map(headOf)),
    session: async (id) => {
      const file = await find(id);
      return file ? await wholeOf(file) : null;
    },
    messages: async (id, { after, limit }) => {
      const file = await find(id);
      const all = file ? await messagesOf(file) : [];
      const from = after === null ? 0 : all.findIndex((message) => message.id === after) + 1;
      return after !== null && from === 0 ? [] : all.slice(from, from + limit);
    },
    search: (text, limit, signal) => search(projects, text, limit, signal),
  };
}

async function transcriptsOf(projects: string): Promise<Transcript[]> {
  const folders = await readdir(projects, { withFileTypes: true });
  const found = await Promise.all(
    folders
      .filter((folder) => folder.isDirectory())
      .map(async ({ name }) => {
        const files = (await readdir(join(projects, name))).filter((file) => TRANSCRIPT.test(file));
        return await Promise.all(
          files.map(async (file) => {
            const path = join(projects, name, file);
            return { path, id: basename(file, '.jsonl'), at: (await stat(path)).mtimeMs };
          }),
        );
      }),
  );
  return found.flat().sort((a, b) => b.at - a.at);
}

/** What a session used with one model on one day (UTC); `at` is the first of it, ms. */
export type DayUsage = { readonly at: number; readonly model: string | null; readonly usage: Usage };

/** What a session and its sub-agents used, each message once; empty if there is no transcript of it. */
export async function usageByDay(projects: string, id: string): Promise<DayUsage[]> {
  // The id comes from whoever sent an event: nothing but a session's own file is read.
  if (!TRANSCRIPT.test(`${id}.jsonl`)) return [];
  const used = new Map<string, DayUsage>();
  for (const path of await filesOf(projects, id)) {
    for await (const line of linesOf({ path }, null)) {
      if ('title' in line || line.type !== 'assistant') continue;
      const { id: message, at, model, usage } = messageOf(line);
      // Written again with every part of the message: the last is the whole.
      if (usage !== null && at !== null && hasTokens(usage)) used.set(message, { at, model, usage });
    }
  }
  const days = Map.groupBy(used.values(), ({ at, model }) => `${new Date(at).toISOString().slice(0, 10)} ${model}`);
  return [...days.values()].map((all) => ({
    at: Math.min(...all.map(({ at }) => at)),
    model: all[0]?.model ?? null,
    usage: all.reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE),
  }));
}

/** The session's transcript, and those of its sub-agents in the folder beside it. */
async function filesOf(projects: string, id: string): Promise<string[]> {
  const found = await Promise.all(
    (await namesIn(projects)).map(async (folder) => {
      const agents = join(projects, folder, id, 'subagents');
      const own = (await namesIn(join(projects, folder))).filter((name) => name === `${id}.jsonl`);
      return [
        ...own.map((name) => join(projects, folder, name)),
        ...(await namesIn(agents)).filter((name) => name.endsWith('.jsonl')).map((name) => join(agents, name)),
      ];
    }),
  );
  return found.flat();
}

/** A session's name and place from the beginning of its transcript; its tokens are not told without reading all of it. */
async function headOf(file: Transcript): Promise<HistorySession> {
  let title: string | null = null;
  let first: ConversationLine | null = null;
  let model: string | null = null;
  for await (const line of linesOf(file, HEAD_BYTES)) {
    if ('title' in line) title = line.title;
    else {
      first ??= line;
      model ??= line.message.model ?? null;
      if (title === null && line.type === 'user' && !line.isMeta) title = titleOf(messageOf(line));
    }
  }
  return {
    source: 'claude',
    id: file.id,
    parentId: null,
    title: title ?? 'untitled',
    directory: first?.cwd ?? null,
    model,
    usage: null,
    createdAt: first?.timestamp === undefined ? null : Date.parse(first.timestamp) || null,
    updatedAt: Math.round(file.at),
    store: file.path,
  };
}

async function wholeOf(file: Transcript): Promise<HistorySession> {
  const messages = await messagesOf(file);
  const usage = messages.reduce((sum, message) => (message.usage ? addUsage(sum, message.usage) : sum), NO_USAGE);
  return { ...(await headOf(file)), usage };
}

async function messagesOf(file: Transcript): Promise<HistoryMessage[]> {
  const messages: HistoryMessage[] = [];
  for await (const line of linesOf(file, null)) if (!('title' in line)) messages.push(messageOf(line));
  return joined(messages);
}

async function search(projects: string, text: string, limit: number, signal: AbortSignal): Promise<HistoryHit[]> {
  const hits: HistoryHit[] = [];
  const needle = text.toLowerCase();
  for (const file of await transcriptsOf(projects)) {
    if (signal.aborted || hits.length >= limit) break;
    const { title } = await headOf(file);
    const own: HistoryHit[] = [];
    for await (const line of linesOf(file, null)) {
      if (signal.aborted) break;
      if ('title' in line) continue;
      const message = messageOf(line);
      const excerpt = excerptOf(message.parts, needle);
      if (excerpt === null) continue;
      own.push({ source: 'claude', sessionId: file.id, messageId: message.id, title, at: message.at, excerpt });
    }
    hits.push(...own.reverse().slice(0, limit - hits.length));
  }
  return hits;
}

async function* linesOf(
  { path }: Pick<Transcript, 'path'>,
  maxBytes: number | null,
): AsyncGenerator<NonNullable<ReturnType<typeof lineOf>>, void, undefined> {
  const input = createReadStream(path, maxBytes === null ? {} : { end: maxBytes - 1 });
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const line = text.length > MAX_LINE_CHARS ? null : lineOf(text);
      if (line !== null) yield line;
    }
  } finally {
    input.destroy();
  }
}

function titleOf({ parts }: HistoryMessage): string | null {
  const words = parts.map(wordsOf).join(' ').replace(/\s+/g, ' ').trim();
  return words === '' ? null : words.slice(0, MAX_TITLE_CHARS);
}
