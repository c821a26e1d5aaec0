import { AppError } from '../../contract/errors.ts';
import type { Isolation } from '../../contract/isolation.ts';
import type { FileChange } from '../../contract/request.ts';
import type { Session } from '../../contract/session.ts';
import type { Check, Task } from '../../contract/task.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { Parts } from '../parts.ts';
import { commandPatterns } from '../policy/policy.ts';

export type Verification = {
  readonly isMet: boolean;
  readonly checks: readonly Check[];
  /** What is wrong beside unmet checks; null if nothing. */
  readonly problem: string | null;
};

const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * Checks a claim of "done": each criterion's command runs in the workspace, outside of the agent, if the policy or a person
 * allows it. A criterion without a command stays unchecked (`isMet` null) and says so.
 */
export async function verify(
  parts: Parts,
  approvals: Approvals,
  input: {
    readonly task: Task;
    readonly session: Session;
    readonly workspace: string;
    readonly isolation: Isolation;
    readonly changes: readonly FileChange[];
    readonly limitMs: number;
    readonly signal: AbortSignal;
    readonly onCheck: (check: Check) => void;
  },
): Promise<Verification> {
  const checks: Check[] = [];
  for (const { text, command } of input.task.successCriteria) {
    const check = command === null ? unchecked(text) : await runCheck(parts, approvals, { ...input, text, command });
    if (input.signal.aborted) throw new AppError('cancelled', 'the verification was stopped');
    checks.push(check);
    input.onCheck(check);
  }
  const problem = nothingWritten(input.task, input.changes, checks);
  return { isMet: problem === null && checks.every((check) => check.isMet !== false), checks, problem };
}

/** "Done" without a change, without a check that passed, though files were to be touched: not believed. */
function nothingWritten(task: Task, changes: readonly FileChange[], checks: readonly Check[]): string | null {
  if (changes.length > 0 || task.files.length === 0 || checks.some((check) => check.isMet === true)) return null;
  return `No file was changed in the working directory, though the task names ${task.files.join(', ')}.`;
}

const unchecked = (text: string): Check => ({
  text,
  command: null,
  isMet: null,
  exitCode: null,
  output: 'no command: not checked',
  durationMs: 0,
});

async function runCheck(
  parts: Parts,
  approvals: Approvals,
  input: Pick<Parameters<typeof verify>[2], 'workspace' | 'isolation' | 'session' | 'limitMs' | 'signal'> & {
    readonly text: string;
    readonly command: string;
  },
): Promise<Check> {
  const { text, command } = input;
  const call = { tool: 'bash', patterns: [...commandPatterns(command)], command, diff: null };
  const decision = await approvals.askOwn(input.session, call, input.signal);
  if (decision.type === 'deny') {
    return { text, command, isMet: false, exitCode: null, output: `not run: ${decision.reason}`, durationMs: 0 };
  }
  const host = await parts.hostFor(input.isolation);
  const result = await host.run({
    command: ['/bin/sh', '-c', command],
    cwd: input.workspace,
    env: parts.environment,
    marker: `${input.session.id}.check`,
    limitMs: input.limitMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal: input.signal,
  });
  const output = `${result.stdout}${result.stderr}${result.isTimedOut ? `\n(stopped after ${Math.round(input.limitMs / 1000)} s)` : ''}`;
  return {
    text,
    command,
    isMet: result.code === 0,
    exitCode: result.code,
    output,
    durationMs: Math.round(result.durationMs),
  };
}
