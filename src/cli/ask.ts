import { createInterface } from 'node:readline/promises';
import type { Client } from '../client/client.ts';
import type { Approval, Question } from '../contract/approval.ts';
import { AppError } from '../contract/errors.ts';
import type { ApprovalId } from '../contract/ids.ts';
import type { Context } from './command.ts';
import { oneLine, safeText } from './text.ts';

/** The text of standard input to its end. */
export async function readStdin({ stdin }: Context): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * The text that a command works on: its words, standard input for `-`, or what a person types when asked.
 * @throws AppError usage if there is none
 */
export async function textFrom(context: Context, given: string | undefined, question: string): Promise<string> {
  const text = given === '-' ? await readStdin(context) : (given ?? (await askText(context, question)));
  if (text.trim() === '') {
    throw new AppError('usage', 'no text was given', {
      details: { accepted: ['"<text>"', '- (reads standard input)'] },
    });
  }
  return text;
}

async function askText(context: Context, message: string): Promise<string> {
  if (!context.isInteractive) return '';
  const { text, isCancel } = await import('@clack/prompts');
  const answer = await text({ message });
  if (isCancel(answer)) throw new AppError('cancelled', 'nothing was asked for');
  return answer ?? '';
}

/** `question [y/N]` on the terminal; anything but yes is no. */
export async function askYesNo({ stdin }: Context, question: string): Promise<boolean> {
  const lines = createInterface({ input: stdin, output: process.stderr, terminal: true });
  const abort = new AbortController();
  lines.once('SIGINT', () => abort.abort());
  lines.once('close', () => abort.abort());
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `, { signal: abort.signal })).trim());
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    process.stderr.write('\n');
    return false;
  } finally {
    lines.close();
  }
}

/** Puts an agent's questions to the person; null if they turned away. */
export async function askQuestions(client: Client, { id, subject }: Approval): Promise<string[][] | null> {
  if (subject.type !== 'question') return null;
  const answers: string[][] = [];
  for (const question of subject.questions) {
    const answer =
      question.directory === undefined ? await askQuestion(question) : await pickFile(client, id, question);
    if (answer === null) return null;
    answers.push(answer);
  }
  return answers;
}

/** Typing narrows the list down. */
async function pickFile(client: Client, id: ApprovalId, question: Question): Promise<string[] | null> {
  const { autocomplete, isCancel } = await import('@clack/prompts');
  const { items } = await client.call('questions.files', { id, limit: 1000 });
  if (items.length === 0) throw new AppError('not_found', `there is no file in ${question.directory}`);
  const options = items.map((path) => ({ value: path, label: oneLine(path) }));
  const picked = await autocomplete({ message: safeText(question.question), options });
  return isCancel(picked) ? null : [picked];
}

const OTHER = '\u0000other';

async function askQuestion(question: Question): Promise<string[] | null> {
  const { isCancel, multiselect, select, text } = await import('@clack/prompts');
  const message = safeText(question.question);
  const options = [
    ...question.options.map(({ label, description }) => ({
      value: label,
      label: oneLine(label),
      hint: oneLine(description),
    })),
    ...(question.isFreeText && question.options.length > 0
      ? [{ value: OTHER, label: 'something else …', hint: '' }]
      : []),
  ];
  const chosen =
    options.length === 0
      ? [OTHER]
      : question.isMultiple
        ? await multiselect({ message, options })
        : await select({ message, options });
  if (isCancel(chosen)) return null;
  const labels = [chosen].flat();
  if (!labels.includes(OTHER)) return labels;
  const free = await text({ message });
  if (isCancel(free)) return null;
  return [...labels.filter((label) => label !== OTHER), free ?? ''].filter((label) => label !== '');
}
