import { z } from 'zod';
import { type Answer, type Frame, pieces, type Turn, textOf, type Wire } from './wire.ts';

const requestSchema = z.object({
  model: z.string(),
  stream: z.boolean().nullish(),
  system: z.unknown().optional(),
  tools: z.array(z.object({ name: z.string() })).catch([]),
  messages: z.array(z.object({ role: z.string(), content: z.unknown().optional() })),
});
type Message = z.output<typeof requestSchema>['messages'][number];

const toolResultSchema = z.object({ type: z.literal('tool_result'), content: z.unknown().optional() });

/** What Claude Code puts into the model's mouth when a turn that was cut goes on (2.1.329): no answer of ours. */
const FILLER = 'No response requested.';

/** A user message of this API may hold tool results, and words of the user (a steering text) behind them. */
function turnsOf({ role, content }: Message): Turn[] {
  if (role === 'assistant') return textOf(content) === FILLER ? [] : [{ role, text: textOf(content) }];
  if (role !== 'user') return [];
  const results = Array.isArray(content)
    ? content.flatMap((block) => toolResultSchema.safeParse(block).data ?? [])
    : [];
  const text = textOf(content)
    .replace(/<system-reminder>.*?<\/system-reminder>/gs, '')
    .trim();
  return [
    ...results.map((result): Turn => ({ role: 'tool', text: textOf(result.content) })),
    ...(text === '' && results.length > 0 ? [] : [{ role, text } as const]),
  ];
}

const stopReason = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' } as const;

const usage = ({ usage: u }: Answer): object => ({
  input_tokens: Math.max(0, u.input - u.cachedInput),
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: u.cachedInput,
  output_tokens: u.output,
  output_tokens_details: { thinking_tokens: u.reasoning },
});

const message = (answer: Answer): object => ({
  id: `msg_${answer.id}`,
  type: 'message',
  role: 'assistant',
  model: answer.model,
  stop_sequence: null,
});

/** A content block, empty as it is opened, with what fills it. */
type Block = { readonly open: object; readonly full: object; readonly deltas: readonly object[] };

function blocks(answer: Answer): Block[] {
  const found: Block[] = [];
  if (answer.reasoning !== '') {
    const signature = `sig_${answer.id}`;
    found.push({
      open: { type: 'thinking', thinking: '', signature: '' },
      full: { type: 'thinking', thinking: answer.reasoning, signature },
      deltas: [
        ...pieces(answer.reasoning, answer.chunks).map((thinking) => ({ type: 'thinking_delta', thinking })),
        { type: 'signature_delta', signature },
      ],
    });
  }
  if (answer.text !== '' || answer.tools.length === 0) {
    found.push({
      open: { type: 'text', text: '' },
      full: { type: 'text', text: answer.text },
      deltas: pieces(answer.text, answer.chunks).map((text) => ({ type: 'text_delta', text })),
    });
  }
  for (const tool of answer.tools) {
    const block = { type: 'tool_use', id: tool.id, name: tool.name };
    found.push({
      open: { ...block, input: {} },
      full: { ...block, input: parsed(tool.arguments) },
      deltas: pieces(tool.arguments, answer.chunks).map((text) => ({ type: 'input_json_delta', partial_json: text })),
    });
  }
  return found;
}

/** Broken arguments cannot be an object; they go out as the text that they are. */
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    if (error instanceof SyntaxError) return json;
    throw error;
  }
}

function frames(answer: Answer): Frame[] {
  const frame = (type: string, fields: object, isDelta = false): Frame => ({
    text: `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`,
    isDelta,
  });
  const opening = { ...message(answer), content: [], stop_reason: null, usage: { ...usage(answer), output_tokens: 1 } };
  return [
    frame('message_start', { message: opening }),
    ...blocks(answer).flatMap((block, index) => [
      frame('content_block_start', { index, content_block: block.open }),
      ...block.deltas.map((delta) => frame('content_block_delta', { index, delta }, true)),
      frame('content_block_stop', { index }),
    ]),
    frame('message_delta', {
      delta: { stop_reason: stopReason[answer.finish], stop_sequence: null },
      usage: usage(answer),
    }),
    frame('message_stop', {}),
  ];
}

/** Anthropic's messages API; system messages in mid-conversation are accepted, as Claude Code sends them. */
export const messages: Wire = {
  read: (body) => {
    const request = requestSchema.safeParse(body).data;
    if (!request) return null;
    const systems = request.messages.filter((m) => m.role === 'system').map((m) => textOf(m.content));
    return {
      model: request.model,
      isStream: request.stream === true,
      system: [textOf(request.system), ...systems].join('\n'),
      turns: request.messages.flatMap(turnsOf),
      toolNames: request.tools.map(({ name }) => name),
    };
  },
  whole: (answer) => ({
    ...message(answer),
    content: blocks(answer).map((block) => block.full),
    stop_reason: stopReason[answer.finish],
    usage: usage(answer),
  }),
  frames,
  error: ({ type, message: text }) => ({ type: 'error', error: { type, message: text } }),
};
