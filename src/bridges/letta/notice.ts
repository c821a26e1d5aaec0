import { exitCodeOf, type Task } from '../../contract/task.ts';
import { blockStatus } from './block.ts';

const MAX_OUTPUT_LENGTH = 1_000;
const MORE = '\n\n... (truncated, use get_task_history for full output)';

const HEADS = {
  pending: 'OpenCode Task Pending',
  running: 'OpenCode Task Running',
  paused: 'OpenCode Task Paused',
  completed: '✅ OpenCode Task Completed Successfully',
  timeout: '⏱️ OpenCode Task Timed Out',
  failed: '❌ OpenCode Task Failed',
  cancelled: '🛑 OpenCode Task Cancelled',
} as const;

/** The text that tells a Letta agent of the end of a task, in the form that Letta gives its own alerts. */
export function noticeText(task: Task, name: string): string {
  const status = blockStatus({ task, isPaused: false });
  const exitCode = exitCodeOf(task);
  const ended = task.endedAt ?? task.updatedAt;
  const output = task.result?.summary ?? '';
  const parts = [
    HEADS[status],
    [
      `Task ID: ${name}`,
      `Description: ${task.description.slice(0, MAX_OUTPUT_LENGTH)}`,
      `Duration: ${ended - task.createdAt}ms`,
      `Status: ${status}`,
      ...(exitCode === null ? [] : [`Exit Code: ${exitCode}`]),
    ].join('\n'),
    output === ''
      ? null
      : `Output:\n${output.slice(0, MAX_OUTPUT_LENGTH)}${output.length > MAX_OUTPUT_LENGTH ? MORE : ''}`,
    task.failure === null ? null : `Error: ${task.failure.message}`,
  ];
  const message = parts.filter((part) => part !== null).join('\n\n');
  const time = new Date(ended).toLocaleString('en-US', { timeZone: 'UTC', timeZoneName: 'short' });
  return JSON.stringify({ type: 'system_alert', message, time });
}
