import type { TranscriptItem } from '../../contract/session.ts';
import { addUsage, NO_USAGE, type Usage } from '../../contract/usage.ts';
import { type Block, blocksOf, usageOfAnswer } from './decode.ts';
import { DONE, INTERRUPTED, type Verdict, verdictOfApiError } from './outcome.ts';
import { toolName } from './tools.ts';
import type { WireTranscriptLine } from './wire.ts';

/** Where a prompt stands that may have been sent before. */
export type Standing =
  | { readonly type: 'unknown' }
  /** The model has it, and its turn was not finished: it may be gone on with, never given again. */
  | { readonly type: 'cut'; readonly usage: Usage }
  | { readonly type: 'over'; readonly verdict: Verdict; readonly text: string; readonly usage: Usage };

/** Said in place of a prompt whose turn was cut: the conversation has the prompt itself. */
export const GO_ON =
  'The program was stopped in the middle of this turn. Go on with it from where it was, and look at what is done before you do it again.';

/** What the program puts into the model's mouth where a turn was cut, and how it marks an interruption (2.1.329). */
const SYNTHETIC = '<synthetic>';
const INTERRUPTION = '[Request interrupted by user';

/** What became of a prompt, by the transcript. Several processes may have written to it, one after the other. */
export function standingIn(lines: readonly WireTranscriptLine[], uuid: string): Standing {
  const at = lines.findIndex((line) => promptIdOf(line) === uuid);
  if (at < 0) return { type: 'unknown' };
  const after = lines.slice(at + 1);
  const next = after.findIndex(isPrompt);
  const own = (next < 0 ? after : after.slice(0, next)).filter(isOfTurn);
  const verdict = finalVerdict(own.at(-1));
  if (verdict === null && next < 0) return { type: 'cut', usage: usageIn(own) };
  const last = own.findLast(({ type }) => type === 'assistant');
  const text = verdict?.failure ? '' : textIn(own, last?.message?.id);
  return { type: 'over', verdict: verdict ?? INTERRUPTED, text, usage: usageIn(own) };
}

/** The conversation for people. */
export function itemsOf(lines: readonly WireTranscriptLine[]): TranscriptItem[] {
  const results = new Map(
    lines.flatMap((line) =>
      contentOf(line).flatMap((block) => (block.type === 'tool-result' ? [[block.id, block] as const] : [])),
    ),
  );
  return lines.flatMap((line): TranscriptItem[] => {
    const at = line.timestamp === undefined ? null : Date.parse(line.timestamp);
    const base = { id: line.uuid ?? '', at };
    if (line.isMeta || line.message === undefined) return [];
    if (line.isApiErrorMessage) return [{ ...base, type: 'error', text: plain(line) }];
    if (line.type === 'user') return isPrompt(line) ? [{ ...base, type: 'user', text: plain(line) }] : [];
    return contentOf(line).flatMap((block, index): TranscriptItem[] => {
      if (block.type === 'tool-result') return [];
      if (block.type !== 'tool-use') return [{ type: block.type, id: `${base.id}.${index}`, at, text: block.text }];
      const { id, name, input } = block;
      const result = results.get(id);
      const status = result === undefined ? 'running' : result.isError ? 'error' : 'completed';
      return [{ type: 'tool', id, at, tool: toolName(name), input, output: result?.text ?? null, status }];
    });
  });
}

/** One that was put in while a turn ran is an attachment of that turn. */
function promptIdOf({ type, uuid, attachment }: WireTranscriptLine): string | undefined {
  if (type === 'user') return uuid;
  return attachment?.type === 'queued_command' ? attachment.source_uuid : undefined;
}

/** Begins another turn: somebody's words, not what the program or we said so that a turn goes on. */
const isPrompt = (line: WireTranscriptLine): boolean =>
  line.type === 'user' && (line.promptSource ?? 'system') !== 'system' && !line.isMeta && plain(line) !== GO_ON;

/** A word of the model, a tool's result, or an interruption. */
const isOfTurn = (line: WireTranscriptLine): boolean =>
  line.isApiErrorMessage === true ||
  (line.type === 'assistant' && line.message?.model !== SYNTHETIC) ||
  (line.type === 'user' && !isPrompt(line) && !line.isMeta && plain(line) !== GO_ON);

/** Null if the turn could go on. */
function finalVerdict(line: WireTranscriptLine | undefined): Verdict | null {
  if (line?.type !== 'assistant') return null;
  if (line.isApiErrorMessage) {
    return verdictOfApiError(line.apiErrorStatus ?? null, line.apiErrorType ?? null, plain(line) || 'the API failed');
  }
  switch (line.message?.stop_reason) {
    case 'end_turn':
    case 'stop_sequence':
      return DONE;
    case 'max_tokens':
      return { outcome: 'length', failure: null };
    default:
      return null;
  }
}

const contentOf = ({ message }: WireTranscriptLine): readonly Block[] => {
  const content = message?.content ?? [];
  return typeof content === 'string' ? [{ type: 'text', text: content }] : blocksOf(content);
};

const plain = (line: WireTranscriptLine): string =>
  contentOf(line)
    .flatMap((block) => (block.type === 'text' && !block.text.startsWith(INTERRUPTION) ? [block.text] : []))
    .join('\n');

const textIn = (lines: readonly WireTranscriptLine[], messageId: string | undefined): string =>
  lines
    .filter(({ type, message }) => type === 'assistant' && message?.id === messageId)
    .map(plain)
    .filter((text) => text !== '')
    .join('\n');

/** Of the session's own messages; each stands on several lines. */
function usageIn(lines: readonly WireTranscriptLine[]): Usage {
  const byMessage = new Map(lines.map(({ message }) => [message?.id ?? '', message?.usage]));
  return [...byMessage.values()].map((usage) => (usage ? usageOfAnswer(usage) : NO_USAGE)).reduce(addUsage, NO_USAGE);
}
