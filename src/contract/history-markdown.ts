import type { HistoryMessage, HistoryPart, HistorySession } from './history.ts';

const MAX_OUTPUT_LINES = 200;

/** A conversation to be read by people. */
export function markdownOf(session: HistorySession, messages: readonly HistoryMessage[]): string {
  const about = [
    `- source: ${session.source}, session \`${session.id}\``,
    ...(session.directory === null ? [] : [`- directory: \`${session.directory}\``]),
    ...(session.createdAt === null ? [] : [`- begun: ${iso(session.createdAt)}`]),
    ...(session.usage === null
      ? []
      : [
          `- tokens: ${session.usage.inputTokens} in, ${session.usage.outputTokens} out; cost: ${costOf(session.usage.costUsd)}`,
        ]),
  ];
  return `${[`# ${session.title}`, about.join('\n'), ...messages.flatMap(messageBlocks)].join('\n\n')}\n`;
}

function messageBlocks({ role, at, model, error, parts }: HistoryMessage): string[] {
  const when = at === null ? '' : ` · ${iso(at)}`;
  const head = `## ${role}${model === null ? '' : ` · ${model}`}${when}`;
  const blocks = parts.map(partBlock).filter((block) => block !== null);
  return [head, ...blocks, ...(error === null ? [] : [`> **error**: ${error}`])];
}

function partBlock(part: HistoryPart): string | null {
  switch (part.type) {
    case 'text':
      return part.isSynthetic ? quote(part.text) : part.text;
    case 'reasoning':
      return quote(part.text);
    case 'tool': {
      const lines = (part.output ?? '').split('\n');
      const cut = lines.length > MAX_OUTPUT_LINES ? [...lines.slice(0, MAX_OUTPUT_LINES), '…'] : lines;
      const input = JSON.stringify(part.input, null, 2);
      const output = part.output === null ? '' : `\n${fenced(cut.join('\n'))}`;
      return `**${part.tool}** (${part.status})\n${fenced(input)}${output}`;
    }
    case 'patch':
      return `*changed*: ${part.files.map((file) => `\`${file}\``).join(', ')}`;
    case 'file':
      return `*file*: ${part.name}`;
    case 'compaction':
      return '*the conversation was compacted*';
    case 'step':
      return null;
    case 'raw':
      return `*${part.kind}*\n${fenced(JSON.stringify(part.value, null, 2))}`;
    default:
      return part satisfies never;
  }
}

const quote = (text: string): string => text.replace(/^/gm, '> ');

/** A fence longer than any within. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

const iso = (at: number): string => new Date(at).toISOString();

const costOf = (costUsd: number | null): string => (costUsd === null ? 'unknown' : `$${costUsd.toFixed(4)}`);
