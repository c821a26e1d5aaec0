import type { Client } from '../../client/client.ts';
import type { Attempt } from '../../contract/attempt.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import type { Task } from '../../contract/task.ts';
import { approvalPage } from '../approvals-page.ts';
import type { Context } from '../command.ts';
import { argument, defineCommand } from '../command.ts';
import { fieldLines } from '../fields.ts';
import { idOf } from '../ids.ts';
import { stateStyle } from '../lists.ts';
import { mergeDocument, mergePage } from '../merge-page.ts';
import { table } from '../output.ts';
import { answerCommands, subjectText } from '../progress.ts';
import { projectPath } from '../request.ts';
import { planLines, requestDocument, resultLines, taskResultLines, usageText } from '../result.ts';
import { duration, oneLine, safeText } from '../text.ts';

type Id<P extends string> = `${P}_${string}`;

export const show = defineCommand({
  arguments: { id: argument('id', 'a request, task, session, approval or merge') },
  run: async (context, args) => {
    const id = idOf(args.id, ['req', 'tsk', 'sess', 'apr', 'mrg']);
    const client = await context.client();
    if (id.startsWith('req_')) await showRequest(context, client, id as Id<'req'>);
    else if (id.startsWith('tsk_')) await showTask(context, client, id as Id<'tsk'>);
    else if (id.startsWith('sess_')) await showSession(context, client, id as Id<'sess'>);
    else if (id.startsWith('mrg_')) await showMerge(context, client, id as Id<'mrg'>);
    else await showApproval(context, client, id as Id<'apr'>);
  },
});

async function showRequest({ output, clock }: Context, client: Client, id: Id<'req'>): Promise<void> {
  const detail = await client.call('requests.get', { id });
  const { request } = detail;
  const path = await projectPath(client, request.projectId);
  const open = detail.approvals.filter((approval) => approval.state === 'pending');
  output.result(requestDocument(detail, clock.now()), () => [
    ...(request.plan !== null && detail.tasks.length === 0 ? [...planLines(request.plan, output), ''] : []),
    ...resultLines(detail, path, clock.now(), output),
    ...open.flatMap((approval) => ['', `${subjectText(approval)}`, `  ${answerCommands(approval)}`]),
  ]);
}

async function showTask({ output, clock }: Context, client: Client, id: Id<'tsk'>): Promise<void> {
  const found = await client.call('tasks.get', { id });
  const now = clock.now();
  output.result(found, () => [
    ...taskResultLines(found.task, [], output),
    '',
    ...taskFields(found.task, output),
    ...(found.attempts.length === 0 ? [] : ['', ...attemptTable(found.attempts, now, output)]),
  ]);
}

function taskFields(task: Task, page: Context['output']): string[] {
  return fieldLines(
    [
      ['id', task.id],
      ['request', task.requestId],
      ['state', `${task.state}${task.cause === null ? '' : ` (${oneLine(task.cause)})`}`],
      ['agent', task.agent],
      ['backend', `${task.backend}${task.model === null ? '' : ` (${task.model})`}`],
      ['after', task.dependsOn.join(', ')],
      ['files', task.files.map(oneLine).join(', ')],
      ['result', task.result === null ? null : oneLine(task.result.summary)],
      ['commit', task.result?.commit ?? null],
      ['used', usageText(task.usage)],
      ['asked', safeText(task.description)],
    ],
    page,
  );
}

const attemptTable = (attempts: readonly Attempt[], now: number, { columns, paint }: Context['output']): string[] =>
  table(
    [
      { title: 'ATTEMPT' },
      { title: 'STATE', style: stateStyle },
      { title: 'TIME', align: 'right' },
      { title: 'SESSION' },
      { title: 'WHY', min: 12 },
    ],
    attempts.map((attempt) => [
      `${attempt.number}`,
      attempt.state,
      duration((attempt.endedAt ?? now) - attempt.createdAt),
      attempt.sessionId ?? '-',
      oneLine(attempt.failure?.message ?? attempt.cause ?? '-'),
    ]),
    columns,
    paint,
  );

async function showSession({ output }: Context, client: Client, id: Id<'sess'>): Promise<void> {
  const { items } = await client.call('sessions.transcript', { id });
  output.result(items, () =>
    items.length === 0 ? ['Nothing was said yet.'] : items.flatMap((item) => transcriptLines(item, output)),
  );
}

function transcriptLines(item: TranscriptItem, { paint }: Context['output']): string[] {
  switch (item.type) {
    case 'user':
      return [paint('bold', '> prompt'), ...safeText(item.text).split('\n'), ''];
    case 'text':
      return [...safeText(item.text).split('\n'), ''];
    case 'reasoning':
      return [
        ...safeText(item.text)
          .split('\n')
          .map((line) => paint('dim', line)),
        '',
      ];
    case 'tool': {
      const head = paint('cyan', `${item.tool} (${item.status}) ${oneLine(JSON.stringify(item.input) ?? '')}`);
      return [
        head,
        ...safeText(item.output ?? '')
          .split('\n')
          .slice(0, 40)
          .map((line) => `  ${line}`),
        '',
      ];
    }
    case 'error':
      return [paint('red', oneLine(item.text)), ''];
    case 'raw':
      return [paint('dim', oneLine(JSON.stringify(item.value) ?? '')), ''];
    default:
      return item satisfies never;
  }
}

async function showMerge({ output }: Context, client: Client, id: Id<'mrg'>): Promise<void> {
  const found = await mergeDocument(client, id);
  output.result(found, () => mergePage(found, output));
}

async function showApproval({ output, clock }: Context, client: Client, id: Id<'apr'>): Promise<void> {
  const found = await client.call('approvals.get', { id });
  output.result(found, () => approvalPage(found, clock.now(), output));
}
