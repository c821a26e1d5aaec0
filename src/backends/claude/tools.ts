import { basename, join, relative, resolve, sep } from 'node:path';
import type { ApprovalSubject, Question, ToolCall } from '../../contract/approval.ts';
import type { PermissionProfile, ProfileTool } from '../backend.ts';

type Action = PermissionProfile['tools'][ProfileTool];

/** Claude Code's tools in the words that policy rules and profiles have; of an MCP server `server_tool`. */
const NAMES: Readonly<Record<string, ProfileTool>> = {
  Bash: 'bash',
  Read: 'read',
  Edit: 'edit',
  Write: 'edit',
  NotebookEdit: 'edit',
  Glob: 'glob',
  Grep: 'grep',
  LS: 'list',
  Task: 'task',
  Agent: 'task',
  TodoWrite: 'todowrite',
  AskUserQuestion: 'question',
  Skill: 'skill',
  WebFetch: 'webfetch',
  WebSearch: 'websearch',
  LSP: 'lsp',
};

/** What only looks after the program's own tools and tasks. */
const HARMLESS = new Set(['ToolSearch', 'TaskStop', 'TaskOutput', 'ReportFindings']);

/** What Gantry does itself (schedules, worktrees, messages), or what has no meaning without a person at a terminal. */
const NOT_FOR_AGENTS = [
  ...['SendMessage', 'ListAgents', 'CronCreate', 'CronDelete', 'CronList', 'ScheduleWakeup', 'Monitor', 'Workflow'],
  ...['EnterWorktree', 'ExitWorktree', 'EnterPlanMode', 'ExitPlanMode'],
];

/** As OpenCode does: files that may hold secrets are asked about, even where everything may be read. */
const SECRET_FILE = /^\.env(\..+)?$|\.env$/;
const HARMLESS_ENV_FILE = /\.env\.example$/;

const MAX_DIFF_CHARS = 64_000;

export type Places = {
  /** The session's directory, by every name that it has: here calls are at home. */
  readonly directories: readonly [string, ...string[]];
  /** What the program keeps for the session, to be read by it. */
  readonly readable: readonly string[];
  /** A path without the links in it. */
  readonly real: (path: string) => string;
};

/** The tool's name as events tell it. */
export function toolName(native: string): string {
  if (native === 'Write') return 'write';
  const [, server, tool] = /^mcp__(.+?)__(.+)$/.exec(native) ?? [];
  return server === undefined ? (NAMES[native] ?? native.toLowerCase()) : `${server}_${tool}`;
}

/** Tools that the program is started without. */
export function removedTools({ tools }: PermissionProfile): readonly string[] {
  const denied = Object.entries(NAMES).filter(([, name]) => tools[name] === 'deny');
  return [...NOT_FOR_AGENTS, ...denied.map(([native]) => native)];
}

/** Whether a call may go on by itself, must be asked for, or is denied. */
export function gate(native: string, input: unknown, profile: PermissionProfile, places: Places): Action {
  const path = pathOf(input, places);
  const own = ownAction(native, path, profile);
  return isOutside(native, path, places) ? worse(own, profile.tools.external_directory) : own;
}

/**
 * What a person or the policy is asked about a call, one after the other: a path outside of the session's directory first,
 * then the call itself if the profile asks for it.
 */
export function subjectsOf(
  native: string,
  input: unknown,
  profile: PermissionProfile,
  places: Places,
): readonly ApprovalSubject[] {
  if (native === 'AskUserQuestion') return [{ type: 'question', questions: questionsOf(input) }];
  const path = pathOf(input, places);
  const subjects: ApprovalSubject[] = [];
  if (path !== null && isOutside(native, path, places) && profile.tools.external_directory !== 'allow') {
    const call: ToolCall = { tool: 'external_directory', patterns: [path], command: null, diff: null };
    subjects.push({ type: 'permission', call });
  }
  // The program asks by itself about what it holds for dangerous: that is never passed over.
  if (ownAction(native, path, profile) !== 'allow' || subjects.length === 0) {
    subjects.push({ type: 'permission', call: callOf(native, input, path, places) });
  }
  return subjects;
}

function ownAction(native: string, path: string | null, { tools }: PermissionProfile): Action {
  if (NOT_FOR_AGENTS.includes(native)) return 'deny';
  if (HARMLESS.has(native)) return 'allow';
  const name = NAMES[native] ?? '*';
  return name === 'read' && path !== null && isSecret(path) ? worse(tools.read, 'ask') : tools[name];
}

/** The file that a call has changed, if it succeeds. */
export function changedFile(native: string, input: unknown, places: Places): string | null {
  return NAMES[native] === 'edit' ? pathOf(input, places) : null;
}

/** What a call is about, in a few words. */
export function titleOf(input: unknown): string {
  const { description, command, file_path: file, notebook_path: notebook, url, query, skill } = fieldsOf(input);
  return description ?? command ?? file ?? notebook ?? url ?? query ?? skill ?? '';
}

function callOf(native: string, input: unknown, path: string | null, { directories }: Places): ToolCall {
  const { command, url, query, skill, subagent_type: agent } = fieldsOf(input);
  const name = NAMES[native];
  const tool = name ?? toolName(native);
  if (name === 'bash') return { tool, patterns: [command ?? ''], command: command ?? null, diff: null };
  const from = directories.find((directory) => path !== null && isBelow(path, directory));
  const shown = path === null ? null : from === undefined ? path : relative(from, path);
  const pattern = shown ?? url ?? query ?? skill ?? agent ?? '*';
  return { tool, patterns: [pattern], command: null, diff: name === 'edit' ? diffOf(shown ?? '', input) : null };
}

function diffOf(path: string, input: unknown): string {
  const { old_string: before = '', new_string: after, content, new_source: cell } = fieldsOf(input);
  const lines = (text: string, sign: string): string[] =>
    text === '' ? [] : text.split('\n').map((line) => sign + line);
  const body = [...lines(before, '-'), ...lines(after ?? content ?? cell ?? '', '+')].join('\n');
  return `--- ${path}\n+++ ${path}\n@@\n${body}`.slice(0, MAX_DIFF_CHARS);
}

function questionsOf(input: unknown): Question[] {
  const { questions } = (input ?? {}) as { readonly questions?: unknown };
  return (Array.isArray(questions) ? questions : []).map((value: unknown): Question => {
    const { question = '', header = '' } = fieldsOf(value);
    const { options, multiSelect } = value as { readonly options?: unknown; readonly multiSelect?: unknown };
    const labels = (Array.isArray(options) ? options : []).map((option: unknown) => {
      const { label = '', description = '' } = fieldsOf(option);
      return { label, description };
    });
    // A person may always answer in words of their own.
    return { question, header, options: labels, isMultiple: multiSelect === true, isFreeText: true };
  });
}

/** The input of the question tool with a person's answers. */
export function answeredInput(input: unknown, answers: readonly (readonly string[])[]): object {
  const given = questionsOf(input).map(({ question }, index) => [question, (answers[index] ?? []).join(', ')]);
  return { ...(input as object), answers: Object.fromEntries(given) };
}

/** Absolute; what the program reads as the person's home stays as it is, and so is outside. */
function pathOf(input: unknown, { directories }: Places): string | null {
  const { file_path: file, notebook_path: notebook, path } = fieldsOf(input);
  const found = file ?? notebook ?? path;
  if (found === undefined) return null;
  return found.startsWith('~') ? found : resolve(directories[0], found);
}

/** What a shell command reaches is read from the command itself. */
function isOutside(native: string, path: string | null, { directories, readable, real }: Places): boolean {
  if (path === null) return false;
  const places = NAMES[native] === 'edit' ? directories : [...directories, ...readable];
  return ![path, real(path)].every((one) => places.some((place) => isBelow(one, place)));
}

const isBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(join(directory, sep));

const isSecret = (path: string): boolean => SECRET_FILE.test(basename(path)) && !HARMLESS_ENV_FILE.test(path);

const RANK = { allow: 0, ask: 1, deny: 2 } as const;
const worse = (a: Action, b: Action): Action => (RANK[a] > RANK[b] ? a : b);

/** The texts among the fields of a value. */
function fieldsOf(value: unknown): Readonly<Record<string, string | undefined>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, field]) => typeof field === 'string'));
}
