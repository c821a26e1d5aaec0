import { z } from 'zod';
import { type Answer, type Frame, pieces, type Turn, textOf, type Wire } from './wire.ts';

const requestSchema = z.object({
  model: z.string(),
  stream: z.boolean().nullish(),
  messages: z.array(z.object({ role: z.string(), content: z.unknown().optional() })),
});

const usage = ({ usage: u }: Answer): unknown => ({
  prompt_tokens: u.input,
  completion_tokens: u.output,
  total_tokens: u.input + u.output,
  prompt_tokens_details: { cached_tokens: u.cachedInput },
  completion_tokens_details: { reasoning_tokens: u.reasoning },
});

const toolCall = (tool: Answer['tools'][number], args: string): unknown => ({
  id: tool.id,
  type: 'function',
  function: { name: tool.name, arguments: args },
});

function frames(answer: Answer): Frame[] {
  const base = {
    id: `chatcmpl-${answer.id}`,
    object: 'chat.completion.chunk',
    created: Math.floor(answer.createdMs / 1000),
    model: answer.model,
  };
  const frame = (rest: object, isDelta: boolean): Frame => ({
    text: `data: ${JSON.stringify({ ...base, ...rest })}\n\n`,
    isDelta,
  });
  const delta = (fields: object): Frame => frame({ choices: [{ index: 0, delta: fields, finish_reason: null }] }, true);
  return [
    frame({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }, false),
    ...pieces(answer.reasoning, answer.chunks).map((text) => delta({ reasoning_content: text })),
    ...pieces(answer.text, answer.chunks).map((text) => delta({ content: text })),
    ...answer.tools.flatMap((tool, index) => [
      delta({ tool_calls: [{ index, ...(toolCall(tool, '') as object) }] }),
      ...pieces(tool.arguments, answer.chunks).map((text) =>
        delta({ tool_calls: [{ index, function: { arguments: text } }] }),
      ),
    ]),
    frame({ choices: [{ index: 0, delta: {}, finish_reason: answer.finish }] }, false),
    frame({ choices: [], usage: usage(answer) }, false),
    { text: 'data: [DONE]\n\n', isDelta: false },
  ];
}

/** OpenAI's chat completions with the `reasoning_content` of the compatible servers. */
export const chatCompletions: Wire = {
  read: (body) => {
    const request = requestSchema.safeParse(body).data;
    if (!request) return null;
    const isSystem = (role: string): boolean => role === 'system' || role === 'developer';
    return {
      model: request.model,
      isStream: request.stream === true,
      system: request.messages
        .filter((m) => isSystem(m.role))
        .map((m) => textOf(m.content))
        .join('\n'),
      turns: request.messages
        .filter((m) => !isSystem(m.role))
        .map(
          ({ role, content }): Turn => ({
            role: role === 'user' || role === 'assistant' ? role : 'tool',
            text: textOf(content),
          }),
        ),
    };
  },
  whole: (answer) => ({
    id: `chatcmpl-${answer.id}`,
    object: 'chat.completion',
    created: Math.floor(answer.createdMs / 1000),
    model: answer.model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer.text,
          ...(answer.reasoning === '' ? {} : { reasoning_content: answer.reasoning }),
          ...(answer.tools.length === 0 ? {} : { tool_calls: answer.tools.map((t) => toolCall(t, t.arguments)) }),
        },
        finish_reason: answer.finish,
      },
    ],
    usage: usage(answer),
  }),
  frames,
  error: ({ type, message }) => ({ error: { message, type, param: null, code: type } }),
};
