import { isAbsolute, relative, resolve } from 'node:path';
import { z } from 'zod';
import type { ToolCall } from '../../contract/approval.ts';
import { PROFILE_TOOLS, type ProfileTool } from '../backend.ts';
import { type ToolFields, textOf } from './wire.ts';

/** A tool call as far as the agent has told of it. */
export type ToolState = {
  readonly callId: string;
  readonly tool: string;
  readonly title: string;
  readonly kind: string;
  readonly status: string;
  readonly input: unknown;
  readonly paths: readonly string[];
  readonly output: string;
  readonly diff: string | null;
};

/** ACP names no tools, only kinds: in the words that policies and profiles have for them. */
const TOOL_OF_KIND: Readonly<Record<string, string>> = {
  execute: 'bash',
  edit: 'edit',
  delete: 'edit',
  move: 'edit',
  read: 'read',
  search: 'grep',
  fetch: 'webfetch',
};
const MAX_DIFF_CHARS = 64_000;

const Input = z.object({ command: z.string(), url: z.string(), diff: z.string() }).partial();
const Diff = z.object({ path: z.string(), oldText: z.string().nullish(), newText: z.string() });

const NOTHING_KNOWN: Omit<ToolState, 'callId'> = {
  tool: '',
  title: '',
  kind: 'other',
  status: 'pending',
  input: undefined,
  paths: [],
  output: '',
  diff: null,
};

/** Adds what an update tells to what was known. Paths are absolute. */
export function withUpdate(before: ToolState | null, update: ToolFields, directory: string): ToolState {
  const known = before ?? { ...NOTHING_KNOWN, callId: update.toolCallId };
  const kind = update.kind ?? known.kind;
  const title = update.title ?? known.title;
  const content = update.content ?? [];
  const diffs = content.flatMap((block) => {
    const diff = block.type === 'diff' ? Diff.safeParse(block) : null;
    return diff?.success ? [diff.data] : [];
  });
  const told = [...(update.locations ?? []), ...diffs].map(({ path }) => resolve(directory, path));
  const texts = content.flatMap((block) => (block.type === 'content' ? [textOf(block.content)] : []));
  return {
    callId: known.callId,
    // A kind is in the words of policies, an agent's own name ("Bash") is not. The first title is the tool's name where the
    // agent gives no other; later ones say what it does.
    tool: TOOL_OF_KIND[kind] ?? update.name ?? (known.tool || title || 'other'),
    title,
    kind,
    status: update.status ?? known.status,
    input: isSomething(update.rawInput) ? update.rawInput : known.input,
    paths: told.length > 0 ? [...new Set(told)] : known.paths,
    output: outputOf(update.rawOutput) ?? (texts.length > 0 ? texts.join('\n') : known.output),
    diff: diffs.length > 0 ? diffs.map(unified).join('').slice(0, MAX_DIFF_CHARS) : known.diff,
  };
}

/** What the agent asks to be allowed, in the words that policy rules match; and the entry of the profile that is for it. */
export function askedCall(
  state: ToolState,
  directory: string,
): { readonly call: ToolCall; readonly profileTool: ProfileTool } {
  const parsed = Input.safeParse(state.input);
  const input = parsed.success ? parsed.data : {};
  const command = state.tool === 'bash' ? (input.command ?? null) : null;
  const isOutside = state.tool !== 'bash' && state.paths.some((path) => !isInside(path, directory));
  const tool = isOutside ? 'external_directory' : state.tool;
  const patterns =
    command !== null
      ? [command]
      : tool === 'webfetch' && input.url !== undefined
        ? [input.url]
        : state.tool !== 'bash' && state.paths.length > 0
          ? state.paths.map((path) => (isInside(path, directory) ? relative(directory, path) || '.' : path))
          : [state.title];
  return {
    call: { tool, patterns, command, diff: input.diff?.slice(0, MAX_DIFF_CHARS) ?? state.diff },
    profileTool: PROFILE_TOOLS.find((one) => one === tool) ?? '*',
  };
}

/** Paths that a completed call has changed. */
export const changedPaths = ({ kind, paths }: ToolState): readonly string[] =>
  kind === 'edit' || kind === 'delete' || kind === 'move' ? paths : [];

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

const isSomething = (value: unknown): boolean =>
  value !== undefined && value !== null && (typeof value !== 'object' || Object.keys(value).length > 0);

/** Null if nothing of it is text. */
function outputOf(raw: unknown): string | null {
  if (typeof raw === 'string') return raw;
  const known = z.union([z.object({ output: z.string() }), z.object({ error: z.string() })]).safeParse(raw);
  if (!known.success) return null;
  return 'output' in known.data ? known.data.output : known.data.error;
}

const unified = ({ path, oldText, newText }: z.infer<typeof Diff>): string => {
  const lines = (sign: string, text: string): string =>
    text === '' ? '' : text.replace(/\n$/, '').replace(/^/gm, sign).concat('\n');
  return `--- ${path}\n+++ ${path}\n@@ @@\n${lines('-', oldText ?? '')}${lines('+', newText)}`;
};
