import type { Approval } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import { askQuestions } from '../ask.ts';
import type { Context } from '../command.ts';
import { type ArgumentFact, argument, defineCommand } from '../command.ts';
import { decisionText } from '../decide.ts';
import { idOf } from '../ids.ts';

const given: ArgumentFact<readonly string[]> = {
  syntax: '[answer...]',
  summary: 'a label or your own words, one per question; several labels for one question: "a,b"',
  read: (texts) => texts,
  values: [],
};

export const answer = defineCommand({
  arguments: { id: argument('id', 'an approval (apr_…) that is a question'), given },
  details: ['Without an answer you are asked, on a terminal.'],
  run: async (context, args) => {
    const client = await context.client();
    const id = idOf(args.id, ['apr']);
    const asked = await client.call('approvals.get', { id });
    const answers = await answersOf(context, asked, args.given);
    const approval = await client.call('approvals.answer', { id, answers });
    context.output.result(approval, () => [`${approval.id} ${decisionText(approval)}`]);
  },
});

async function answersOf(context: Context, approval: Approval, texts: readonly string[]): Promise<string[][]> {
  const { subject } = approval;
  if (subject.type !== 'question') {
    const remedy = `gantry approve ${approval.id}   or   gantry deny ${approval.id}`;
    throw new AppError('usage', `${approval.id} is no question but a permission`, { details: { remedy } });
  }
  const { questions } = subject;
  if (texts.length === 0 && context.isInteractive) {
    const answers = await askQuestions(await context.client(), approval);
    if (answers === null) throw new AppError('cancelled', 'the question stays open');
    return answers;
  }
  if (texts.length !== questions.length) {
    const accepted = questions.map((question) => question.question);
    throw new AppError('usage', `one answer for each question is needed: ${questions.length}`, {
      details: { accepted },
    });
  }
  return questions.map((question, index) => {
    const text = texts[index] ?? '';
    const labels = question.options.map((item) => item.label);
    const several = text.split(',').map((part) => part.trim());
    return question.isMultiple && several.every((part) => labels.includes(part)) ? several : [text];
  });
}
