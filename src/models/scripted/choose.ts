import { markerSteps, ruleSteps } from '../../base/script.ts';
import { type ModelScript, type Step, stepSchema } from './script.ts';
import type { Answer, Conversation } from './wire.ts';

/** The step to be played, and where it comes from. `index` counts the steps of its source from 0. */
export type Choice = {
  readonly source: 'marker' | 'rule' | 'title' | 'summary' | 'none';
  readonly index: number;
  readonly step: Step;
};

/** How the programs ask for something beside the conversation; from the system texts of OpenCode 1.18.33. */
const SIDE_REQUESTS = [
  { source: 'title', system: 'title generator', answer: 'titles' },
  { source: 'summary', system: 'context summarization', answer: 'summaries' },
] as const;

/**
 * Chooses from the conversation alone, so that sessions may run beside each other and a resumed one goes on where it was:
 * the steps are those of the newest user message with a marker, else those of the first rule that holds for the newest
 * user message; the index is the number of the model's messages after that message.
 * A marker that cannot be read is an answer with the faults.
 */
export function choose(
  script: ModelScript,
  conversation: Conversation,
): Choice | { readonly faults: readonly string[] } {
  const { system, turns } = conversation;
  const side = SIDE_REQUESTS.find((request) => system.toLowerCase().includes(request.system));
  if (side) return { source: side.source, index: 0, step: { text: script[side.answer] } };

  for (const [at, turn] of [...turns.entries()].reverse()) {
    const marked = turn.role === 'user' ? markerSteps('model', turn.text, stepSchema) : null;
    if (marked?.ok) return pick('marker', marked.value, conversation, at);
    if (marked) return { faults: marked.faults };
  }
  const newest = turns.findLastIndex((turn) => turn.role === 'user');
  const steps = ruleSteps(script, { prompt: turns[newest]?.text ?? '', system });
  if (steps) return pick('rule', steps, conversation, newest);
  const text = 'No script matched this prompt: it holds no marker, and no rule of the script is for it.';
  return { source: 'none', index: 0, step: { text } };
}

function pick(source: Choice['source'], steps: readonly Step[], conversation: Conversation, prompt: number): Choice {
  const index = conversation.turns.slice(prompt + 1).filter((turn) => turn.role === 'assistant').length;
  return { source, index, step: steps[index] ?? { text: 'Done.' } };
}

/** The whole answer that a step stands for. `id` must be unique per request, `requestChars` is the request's length. */
export function answerOf(
  step: Step,
  conversation: Conversation,
  at: { readonly id: string; readonly nowMs: number; readonly requestChars: number },
): Answer {
  const lastOutput = conversation.turns.findLast((turn) => turn.role === 'tool')?.text ?? '';
  const said = step.json === undefined ? (step.text ?? '') : JSON.stringify(step.json, null, 2);
  const text = step.emptyText ? '' : said.replaceAll('{{lastToolOutput}}', () => lastOutput);
  const reasoning = step.reasoning ?? '';
  const tools = (step.tools ?? []).map(({ name, input }, index) => {
    const json = JSON.stringify(input);
    return {
      id: `call_${at.id}_${index}`,
      // Claude Code has Bash where others have bash: one script does for all.
      name: conversation.toolNames?.find((own) => own.toLowerCase() === name.toLowerCase()) ?? name,
      arguments: step.brokenArguments ? json.slice(0, Math.ceil(json.length / 2)) : json,
    };
  });
  const tokensOf = (chars: number): number => Math.max(1, Math.ceil(chars / 4));
  const toolChars = tools.reduce((sum, tool) => sum + tool.name.length + tool.arguments.length, 0);
  const usage = step.usage ?? {
    input: tokensOf(at.requestChars),
    output: tokensOf(reasoning.length + text.length + toolChars),
    reasoning: reasoning === '' ? 0 : tokensOf(reasoning.length),
  };
  return {
    id: at.id,
    model: conversation.model,
    createdMs: at.nowMs,
    reasoning,
    text,
    tools,
    finish: step.finish ?? (tools.length > 0 ? 'tool_calls' : 'stop'),
    usage: { cachedInput: 0, reasoning: 0, ...usage } as Answer['usage'],
    chunks: step.chunks ?? (step.chunkDelayMs === undefined ? 4 : Math.ceil(Math.max(1, text.length) / 24)),
  };
}
