import { z } from 'zod';
import { type Answer, type Frame, pieces, type Turn, textOf, type Wire } from './wire.ts';

const itemSchema = z.looseObject({ type: z.string().optional(), role: z.string().optional() });
const requestSchema = z.object({
  model: z.string(),
  stream: z.boolean().nullish(),
  instructions: z.string().nullish(),
  input: z.union([z.string(), z.array(itemSchema)]),
});
type Item = z.output<typeof itemSchema>;

const roleOf = (item: Item): Turn['role'] | 'system' => {
  if (item.type?.endsWith('_output')) return 'tool';
  if (item.role === 'system' || item.role === 'developer') return 'system';
  return item.role === 'user' ? 'user' : 'assistant';
};

/** Text, reasoning and calls of one answer come back as items of their own: neighbours are one message again. */
function turnsOf(items: readonly Item[]): Turn[] {
  const turns: Turn[] = [];
  for (const item of items) {
    const role = roleOf(item);
    if (role === 'system') continue;
    const text = textOf(item.content ?? item.output);
    const last = turns.at(-1);
    if (role === 'assistant' && last?.role === role) turns[turns.length - 1] = { role, text: `${last.text}${text}` };
    else turns.push({ role, text });
  }
  return turns;
}

const usage = ({ usage: u }: Answer): unknown => ({
  input_tokens: u.input,
  input_tokens_details: { cached_tokens: u.cachedInput },
  output_tokens: u.output,
  output_tokens_details: { reasoning_tokens: u.reasoning },
  total_tokens: u.input + u.output,
});

const head = (answer: Answer): object => ({
  id: `resp_${answer.id}`,
  object: 'response',
  created_at: Math.floor(answer.createdMs / 1000),
  model: answer.model,
});

/** An item of the output, empty as it is announced and full as it is completed, with the deltas between. */
type Part = {
  readonly open: { readonly id: string };
  readonly done: object;
  readonly before: readonly (readonly [type: string, fields: object])[];
  readonly delta: readonly [type: string, fields: object];
  readonly text: string;
  readonly after: readonly (readonly [type: string, fields: object])[];
};

function parts(answer: Answer): Part[] {
  const found: Part[] = [];
  if (answer.reasoning !== '') {
    const item = { type: 'reasoning', id: `rs_${answer.id}` };
    const full = { type: 'summary_text', text: answer.reasoning };
    found.push({
      open: { ...item, summary: [] } as Part['open'],
      done: { ...item, summary: [full] },
      before: [['reasoning_summary_part.added', { summary_index: 0, part: { ...full, text: '' } }]],
      delta: ['reasoning_summary_text.delta', { summary_index: 0 }],
      text: answer.reasoning,
      after: [['reasoning_summary_part.done', { summary_index: 0, part: full }]],
    });
  }
  if (answer.text !== '' || answer.tools.length === 0) {
    const item = { type: 'message', role: 'assistant', id: `msg_${answer.id}` };
    const full = { type: 'output_text', text: answer.text, annotations: [] };
    found.push({
      open: { ...item, content: [], status: 'in_progress' } as Part['open'],
      done: { ...item, content: [full], status: 'completed' },
      before: [['content_part.added', { content_index: 0, part: { ...full, text: '' } }]],
      delta: ['output_text.delta', { content_index: 0 }],
      text: answer.text,
      after: [
        ['output_text.done', { content_index: 0, text: answer.text }],
        ['content_part.done', { content_index: 0, part: full }],
      ],
    });
  }
  for (const tool of answer.tools) {
    const item = { type: 'function_call', id: `fc_${tool.id}`, call_id: tool.id, name: tool.name };
    found.push({
      open: { ...item, arguments: '', status: 'in_progress' } as Part['open'],
      done: { ...item, arguments: tool.arguments, status: 'completed' },
      before: [],
      delta: ['function_call_arguments.delta', {}],
      text: tool.arguments,
      after: [['function_call_arguments.done', { name: tool.name, arguments: tool.arguments }]],
    });
  }
  return found;
}

function whole(answer: Answer): object {
  const isCut = answer.finish === 'length';
  return {
    ...head(answer),
    status: isCut ? 'incomplete' : 'completed',
    error: null,
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output: parts(answer).map((part) => part.done),
    usage: usage(answer),
  };
}

function frames(answer: Answer): Frame[] {
  const found: Frame[] = [];
  const add = (name: string, fields: object, isDelta = false): void => {
    const type = `response.${name}`;
    const data = JSON.stringify({ type, sequence_number: found.length, ...fields });
    found.push({ text: `event: ${type}\ndata: ${data}\n\n`, isDelta });
  };
  const started = { ...head(answer), status: 'in_progress', output: [], usage: null };
  add('created', { response: started });
  add('in_progress', { response: started });
  for (const [index, part] of parts(answer).entries()) {
    const place = { item_id: part.open.id, output_index: index };
    add('output_item.added', { output_index: index, item: part.open });
    for (const [name, fields] of part.before) add(name, { ...place, ...fields });
    for (const text of pieces(part.text, answer.chunks))
      add(part.delta[0], { ...place, ...part.delta[1], delta: text }, true);
    for (const [name, fields] of part.after) add(name, { ...place, ...fields });
    add('output_item.done', { output_index: index, item: part.done });
  }
  add(answer.finish === 'length' ? 'incomplete' : 'completed', { response: whole(answer) });
  return found;
}

/** OpenAI's responses API. */
export const responses: Wire = {
  read: (body) => {
    const request = requestSchema.safeParse(body).data;
    if (!request) return null;
    const items: Item[] =
      typeof request.input === 'string' ? [{ role: 'user', content: request.input }] : request.input;
    const systems = items.filter((item) => roleOf(item) === 'system').map((item) => textOf(item.content));
    return {
      model: request.model,
      isStream: request.stream === true,
      system: [request.instructions ?? '', ...systems].join('\n'),
      turns: turnsOf(items),
    };
  },
  whole,
  frames,
  error: ({ type, message }) => ({ error: { message, type, param: null, code: type } }),
};
