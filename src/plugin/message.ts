import { z } from 'zod';
import type { MessageOutput } from './native.ts';

const Part = z.object({ id: z.string(), sessionID: z.string(), messageID: z.string() });
/** `prt_`, 12 hex digits of time and counter, and random letters: parts are shown in the order of their ids. */
const PART_ID = /^prt_([0-9a-f]{12})(\w*)$/;

/** Adds words to a person's message that its model reads and the person did not write. Without a part of theirs nothing is added. */
export function addWords({ parts }: MessageOutput, text: string): void {
  const last = Part.safeParse(parts.at(-1)).data;
  const [, time = '', random = ''] = PART_ID.exec(last?.id ?? '') ?? [];
  if (!last || time === '') return;
  const id = `prt_${(BigInt(`0x${time}`) + 1n).toString(16).padStart(12, '0')}${random}`;
  parts.push({ ...last, id, type: 'text', text, synthetic: true });
}
