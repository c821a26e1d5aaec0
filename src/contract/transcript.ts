import type { Fact, FactKind } from './fact.ts';
import type { Message } from './message.ts';
import type { TranscriptItem } from './session.ts';

/** The facts that a conversation is made of. */
export const TRANSCRIPT_KINDS = [
  'prompt.accepted',
  'text',
  'reasoning',
  'tool.started',
  'tool.ended',
  'turn.ended',
] as const satisfies readonly FactKind[];

/** What a prompt that carried messages to an agent said, oldest first. */
export const mailText = (messages: readonly Message[], promptId: string): string =>
  messages
    .filter((message) => message.promptId === promptId)
    .sort((a, b) => a.createdAt - b.createdAt)
    .map(({ text }) => text)
    .join('\n\n');

/**
 * The item of a conversation that a fact makes, or changes: an item with the same id is replaced. Null for all other
 * facts. `promptText` knows the texts of prompts by their ids.
 */
export function transcriptItem(fact: Fact, promptText: (id: string) => string): TranscriptItem | null {
  const { at } = fact;
  switch (fact.kind) {
    case 'prompt.accepted':
      return { type: 'user', id: fact.data.promptId, at, text: promptText(fact.data.promptId) };
    case 'text':
      return { type: 'text', id: fact.data.partId, at, text: fact.data.text };
    case 'reasoning':
      return { type: 'reasoning', id: fact.data.partId, at, text: fact.data.text };
    case 'tool.started': {
      const { callId: id, tool, input } = fact.data;
      return { type: 'tool', id, at, tool, input, output: null, status: 'running' };
    }
    case 'tool.ended': {
      const { callId: id, tool, title, output, status } = fact.data;
      return { type: 'tool', id, at, tool, input: title, output, status };
    }
    case 'turn.ended':
      return fact.data.failure
        ? { type: 'error', id: `${fact.data.promptId}:end`, at, text: fact.data.failure.message }
        : null;
    default:
      return null;
  }
}
