import type { Approval } from '../contract/approval.ts';
import { decisionText } from './decide.ts';
import { diffLines } from './diff.ts';
import { stateStyle } from './lists.ts';
import { answerCommands } from './progress.ts';
import type { Page } from './result.ts';
import { duration, oneLine, safeText, wrap } from './text.ts';

/** An approval whole: who asks, the exact command or the questions, how to answer or how it was answered. */
export function approvalPage(approval: Approval, now: number, { columns, paint }: Page): string[] {
  const { id, state, agent, backend, project, subject } = approval;
  const isOpen = state === 'pending';
  const left = isOpen ? `  ${duration(approval.expiresAt - now)} left` : '';
  const who = `${agent ?? backend}${approval.isFromChild ? ' (sub-agent)' : ''} in ${project}`;
  return [
    `${paint('bold', id)}  ${paint(stateStyle(state) ?? 'dim', isOpen ? state : decisionText(approval))}${left}`,
    `  ${who} ${subject.type === 'question' ? 'asks' : `wants to use ${subject.call.tool}`}`,
    ...subjectLines(approval, columns, { columns, paint }).map((line) => `    ${line}`),
    ...(isOpen ? [paint('dim', `  ${answerCommands(approval)}`)] : []),
  ];
}

function subjectLines({ subject }: Approval, columns: number, { paint }: Page): string[] {
  if (subject.type === 'question') {
    return subject.questions.flatMap((question) => [
      ...wrap(safeText(question.question), columns - 4),
      ...question.options.map(
        ({ label, description }) => `- ${oneLine(label)}${description === '' ? '' : `: ${oneLine(description)}`}`,
      ),
      ...(question.directory === undefined
        ? []
        : [paint('dim', `- the path of a file in ${oneLine(question.directory)}`)]),
      ...(question.isFreeText && question.directory === undefined
        ? [paint('dim', question.options.length > 0 ? '- or your own words' : '- your own words')]
        : []),
    ]);
  }
  const { command, patterns, diff } = subject.call;
  const what = command === null ? patterns.map((pattern) => safeText(pattern)) : safeText(command).split('\n');
  return [...what, ...(diff === null || diff === '' ? [] : diffLines(diff, paint))];
}
