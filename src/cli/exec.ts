import type { Client } from '../client/client.ts';
import type { InputOf } from '../contract/api.ts';
import { AppError, ERRORS, toAppError } from '../contract/errors.ts';
import type { ExecResult } from '../contract/shapes.ts';
import type { Context } from './command.ts';
import { answerCommands, subjectText } from './progress.ts';
import { usageText } from './result.ts';

/** One wait of the daemon: questions of the agent are looked for in between. */
const WAIT_MS = 2_000;

/** Gives the prompt and waits for the end; a question of the agent is shown with the command that answers it. */
export async function execute(
  { output }: Context,
  client: Client,
  isDebug: boolean,
  input: InputOf<'exec.start'>,
): Promise<ExecResult> {
  let result = await client.call('exec.start', input);
  if (isDebug) output.stderr.write(`session ${result.sessionId}\n`);
  const told = new Set<string>();
  while (result.state === 'running') {
    result = await client.call('exec.wait', { id: result.sessionId, waitMs: WAIT_MS });
    if (result.state !== 'running') break;
    const { items } = await client.call('approvals.list', {});
    for (const approval of items) {
      if (approval.sessionId !== result.sessionId || told.has(approval.id)) continue;
      told.add(approval.id);
      output.note(`The agent asks: ${subjectText(approval)}`, `  ${answerCommands(approval)}`);
    }
  }
  if (isDebug)
    output.stderr.write(`${result.state}, ${result.nativeId ?? 'no native id'}, ${usageText(result.usage)}\n`);
  return result;
}

export function printExec(context: Context, result: ExecResult, isJson: boolean): number {
  const { output } = context;
  if (result.failure !== null || result.state === 'failed') {
    const { failure } = result;
    const code =
      failure?.class === 'denied' ? 'policy_denied' : failure?.class === 'timeout' ? 'timeout' : 'backend_failed';
    return printExecFailure(
      context,
      new AppError(code, failure?.message ?? 'the agent failed'),
      isJson,
      result.nativeId,
    );
  }
  const content = result.content ?? '';
  if (isJson) output.jsonLine({ content, session_id: result.nativeId });
  else output.raw(content);
  return 0;
}

export function printExecFailure(
  { output }: Context,
  thrown: unknown,
  isJson: boolean,
  nativeId: string | null = null,
): number {
  const error = toAppError(thrown);
  const { code, message } = error;
  if (isJson) output.jsonLine({ error: { code, message }, ...(nativeId !== null && { session_id: nativeId }) });
  else output.failure(error);
  return ERRORS[code].exit;
}
