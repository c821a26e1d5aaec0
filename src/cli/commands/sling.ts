import { pause } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import type { Assignment } from '../../contract/agent-operations.ts';
import { AppError } from '../../contract/errors.ts';
import type { TaskId } from '../../contract/ids.ts';
import { isTaskOver } from '../../contract/task.ts';
import { argument, type Context, defineCommand, flag, integer, list, option, time } from '../command.ts';
import { projectFrom } from '../context.ts';
import { idOf } from '../ids.ts';
import { oneBackend } from '../one-backend.ts';
import { SUBMIT_OPTIONS } from '../request.ts';

const POLL_MS = 100;
const READY_LIMIT_MS = 120_000;

export const sling = defineCommand({
  arguments: {
    task: argument('task', 'a task (tsk_…), or what is to be done'),
    project: argument('project', 'its name or directory'),
  },
  options: {
    agent: option('--agent <backend>', 'the agent program: the same as --backend'),
    backend: option('--backend <id>', 'the agent program; default: that of the role'),
    model: option('--model <provider/model>', 'default: that of the role or backend'),
    role: option('--role <name>', 'default: that of the task, or the default role'),
    name: option('--name <name>', 'the agent that is to do it; made if there is none'),
    after: option('--after <ids>', 'tasks (tsk_…) that must be done first, separated by commas', list),
    priority: option('--priority <n>', '0 is most urgent, 4 least; default 2', integer(0, 4)),
    isolation: SUBMIT_OPTIONS.isolation,
    merge: SUBMIT_OPTIONS.merge,
    baseBranch: option('--base-branch <branch>', 'start there; default: the commit that is checked out'),
    isReviewOnly: flag('--review-only', 'to a role that only reads; default: that of the reviews'),
    isDryRun: flag('-n, --dry-run', 'check everything and say what would happen; nothing is changed'),
    isForced: flag('--force', 'take the task away from the agent that holds it; take a deferred one now'),
    isDirtyAllowed: flag('--allow-dirty', 'start from the last commit though there are uncommitted changes'),
    isDetached: flag('-d, --detach', 'do not wait until the agent has taken it'),
    limitMs: option('--wait <time>', 'how long to wait for that; default 2m', time),
    key: option('--idempotency-key <key>', 'the same call again answers as it did the first time'),
  },
  details: [
    '  gantry sling "Fix the login" myproject --agent opencode --name worker-1',
    '  gantry sling tsk_1m8k… myproject --dry-run',
  ],
  run: async (context, args) => {
    const backend = oneBackend('--agent', args.agent, args.backend);
    const client = await context.client();
    const input = {
      task: args.task,
      project: projectFrom(context, args.project),
      backend,
      model: args.model,
      role: args.role,
      name: args.name,
      after: (args.after ?? []).map((id) => idOf(id, ['tsk'])),
      priority: args.priority,
      isolation: args.isolation,
      merge: args.merge,
      baseBranch: args.baseBranch,
      isReviewOnly: args.isReviewOnly,
      isDryRun: args.isDryRun,
      isForced: args.isForced,
      isDirtyAllowed: args.isDirtyAllowed,
    };
    const first = await client.call('tasks.sling', input, { idempotencyKey: args.key });
    const isAsked = first.state === 'assigned' && !args.isDetached && first.taskId !== null;
    const end = isAsked
      ? await taken(client, first, context.clock.now() + (args.limitMs ?? READY_LIMIT_MS), context)
      : first;
    context.output.result(end, () => lines(end));
    return end.state === 'failed' ? 1 : 0;
  },
});

type End = Omit<Assignment, 'state'> & { readonly state: Assignment['state'] | 'failed' };

/** Waits until the agent program has taken the task's first prompt, or the attempt has failed. */
async function taken(client: Client, first: Assignment, until: number, { clock }: Context): Promise<End> {
  for (;;) {
    const { task, attempts, sessions } = await client.call('tasks.get', { id: first.taskId as TaskId });
    const attempt = attempts.find(({ id }) => id === first.attemptId);
    const session = sessions.find(({ id }) => id === attempt?.sessionId);
    const known = {
      ...first,
      sessionId: session?.id ?? null,
      nativeId: session?.nativeId ?? null,
      host: session?.host ?? null,
    };
    if (attempt?.endedAt != null && attempt.state !== 'done') {
      return {
        ...known,
        state: 'failed',
        cause: attempt.cause ?? attempt.failure?.message ?? `it is ${attempt.state}`,
      };
    }
    const isTaken = task.state === 'working' || task.state === 'verifying' || isTaskOver(task.state);
    if (isTaken) return { ...known, cause: `${attempt?.agent ?? 'an agent'} has taken it` };
    if (clock.now() > until)
      throw new AppError(
        'timeout',
        `${first.agent} has not taken ${first.taskId} yet; see: gantry explain ${first.taskId}`,
      );
    await pause(POLL_MS);
  }
}

function lines(end: End): string[] {
  const place = end.position === null ? '' : ` (number ${end.position} in the queue)`;
  const rows: [string, string | null][] = [
    ['task', end.taskId],
    ['agent', end.agent],
    ['backend', end.model === null ? end.backend : `${end.backend}, ${end.model}`],
    ['session', end.sessionId === null ? null : `${end.sessionId} (${end.nativeId ?? 'no native id yet'})`],
    ['workspace', end.workspace],
    ['branch', end.branch],
  ];
  return [
    `${end.state}${place}: ${end.cause}`,
    ...rows.flatMap(([title, value]) => (value === null ? [] : [`  ${title.padEnd(9)} ${value}`])),
    ...end.notices.map((notice) => `  note: ${notice}`),
  ];
}
