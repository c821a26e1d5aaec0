import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import type { ToolCall } from '../../../contract/approval.ts';
import { runShell } from '../../../process/run.ts';
import { startProcess } from '../../../process/spawn.ts';

export type Surroundings = {
  readonly directory: string;
  /** The agent's own environment: what it runs inherits it, as with the real programs. */
  readonly env: Readonly<Record<string, string>>;
};

export type ToolResult = { readonly output: string; readonly isError: boolean };

const RUN_LIMIT_MS = 600_000;
const MAX_OUTPUT_BYTES = 256 * 1024;

/** Runs a command as the tool `bash` does. What it leaves running lives on, as with the real programs. */
export async function runCommand(
  command: string,
  limitMs: number | undefined,
  { directory, env }: Surroundings,
  signal: AbortSignal,
): Promise<ToolResult> {
  const result = await runShell(command, {
    cwd: directory,
    env,
    marker: null,
    limitMs: limitMs ?? RUN_LIMIT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  const how = result.isTimedOut
    ? '\n[ended at its limit]'
    : result.code === 0
      ? ''
      : `\n[exit ${result.code ?? result.signal}]`;
  return { output: `${result.stdout}${result.stderr}${how}`, isError: result.code !== 0 };
}

export function changeFile(
  path: string,
  content: string,
  mode: 'write' | 'append',
  { directory }: Surroundings,
): ToolResult {
  const file = resolve(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  if (mode === 'write') writeFileSync(file, content);
  else appendFileSync(file, content);
  return { output: `${mode === 'write' ? 'Wrote' : 'Added to'} ${path}`, isError: false };
}

/** The permissions that a file's change needs: outside the directory two. */
export function editCalls(path: string, content: string, { directory }: Surroundings): ToolCall[] {
  const inside = relative(directory, resolve(directory, path));
  const isOutside = inside.startsWith('..') || isAbsolute(inside);
  const shown = isOutside ? resolve(directory, path) : inside;
  const diff = `--- /dev/null\n+++ ${shown}\n${content.replace(/\n$/, '').replaceAll(/^/gm, '+')}\n`;
  const edit: ToolCall = { tool: 'edit', patterns: [shown], command: null, diff };
  return isOutside ? [{ tool: 'external_directory', patterns: [shown], command: null, diff: null }, edit] : [edit];
}

export const commandCall = (command: string): ToolCall => ({
  tool: 'bash',
  patterns: subCommands(command),
  command,
  diff: null,
});

/** The parts of a shell line between `;`, `&&`, `||`, `|`, `&` and line ends that are not quoted. */
export function subCommands(line: string): string[] {
  const parts = line.match(/(?:'[^']*'|[<>]&|&>|"(?:\\.|[^"\\])*"|\\.|[^;&|\n'"\\])+|[;&|\n]+|['"\\]/gs) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '' && !/^[;&|\n]+$/.test(part));
}

const CHILDREN = {
  'ignores-term': `process.on('SIGTERM', () => {}); setInterval(() => {}, 60_000); console.log(JSON.stringify({ pid: process.pid }));`,
  'own-group': `setInterval(() => {}, 60_000); console.log(JSON.stringify({ pid: process.pid }));`,
  listens: `const server = require('node:net').createServer().listen(0, '127.0.0.1', () =>
    console.log(JSON.stringify({ pid: process.pid, port: server.address().port })));`,
} as const;

/** Starts a process that stays, in a group and session of its own. @returns its one line of JSON. */
export async function startChild(kind: keyof typeof CHILDREN, { directory, env }: Surroundings): Promise<ToolResult> {
  const child = await startProcess({
    command: [process.execPath, '-e', CHILDREN[kind]],
    cwd: directory,
    env,
    marker: env.GANTRY_SPAWN ?? 'fake-agent-child',
    stdin: 'ignore',
    output: 'pipe',
  });
  for await (const line of child.lines) return { output: line.text, isError: false };
  return { output: await child.lastOutput(), isError: true };
}
