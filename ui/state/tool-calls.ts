import { z } from 'zod';
import type { TranscriptItem } from '../../src/contract/session.ts';

/** What a person reads of a tool's call. */
export type ShownCall = { readonly title: string; readonly input: string; readonly diff: string | null };

/** What the inputs of the usual tools hold: every agent program names them a little differently. */
const Input = z
  .object({
    command: z.string(),
    filePath: z.string(),
    file_path: z.string(),
    path: z.string(),
    pattern: z.string(),
    url: z.string(),
    query: z.string(),
    description: z.string(),
    content: z.string(),
    oldString: z.string(),
    newString: z.string(),
    old_string: z.string(),
    new_string: z.string(),
  })
  .partial();

/** The line that says what a call is about, what it was given, and what it changes as a diff. */
export function callOf({ input }: Extract<TranscriptItem, { type: 'tool' }>): ShownCall {
  if (typeof input === 'string') return { title: input, input: '', diff: null };
  const parsed = Input.safeParse(input);
  const text = JSON.stringify(input ?? {}, null, 2);
  if (!parsed.success) return { title: text.replace(/\s+/g, ' '), input: text, diff: null };
  const given = parsed.data;
  const file = given.filePath ?? given.file_path ?? given.path;
  const title = given.command ?? file ?? given.pattern ?? given.url ?? given.query ?? given.description ?? text;
  const before = given.oldString ?? given.old_string;
  const after = given.newString ?? given.new_string ?? given.content;
  const isEdit = file !== undefined && after !== undefined;
  return {
    title,
    input: given.command ?? text,
    diff: isEdit ? diffOf(file, before ?? '', after) : null,
  };
}

/** Without lines around it: the file as it was is not known here. */
function diffOf(file: string, before: string, after: string): string {
  const lines = (text: string, sign: string): string[] =>
    text === ''
      ? []
      : text
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => `${sign}${line}`);
  return [`diff --git a/${file} b/${file}`, '@@ what it writes @@', ...lines(before, '-'), ...lines(after, '+')].join(
    '\n',
  );
}
