import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { wholeConversation } from '../../client/history.ts';
import { type HistoryProblem, HistorySource } from '../../contract/history.ts';
import { markdownOf } from '../../contract/history-markdown.ts';
import { textFrom } from '../ask.ts';
import { argument, type Context, defineCommand, integer, oneOf, option, words } from '../command.ts';
import { orDash } from '../lists.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

const source = option('--source <name>', 'only this store', oneOf(HistorySource.options));
const limit = option('-n, --limit <n>', 'at most so many', integer(1, 1000));
const session = argument('session', "the agent program's own id of it");

export const sessions = defineCommand({
  options: { source, limit },
  run: async (context, args) => {
    const client = await context.client();
    const found = await client.call('history.sessions', { source: args.source, limit: args.limit ?? 20 });
    tellProblems(context, found.problems);
    const now = context.clock.now();
    const { columns, paint } = context.output;
    context.output.result(found.items, () => {
      if (found.items.length === 0) return ['No conversations.'];
      const rows = found.items.map((item) => [
        item.id,
        item.source,
        item.updatedAt === null ? '-' : duration(now - item.updatedAt),
        item.usage === null ? '-' : `${item.usage.inputTokens + item.usage.outputTokens}`,
        item.usage === null || item.usage.costUsd === null ? '-' : `$${item.usage.costUsd.toFixed(4)}`,
        orDash(item.directory),
        brief(item.title),
      ]);
      const heads = [
        { title: 'SESSION' },
        { title: 'SOURCE' },
        { title: 'AGE', align: 'right' as const },
        { title: 'TOKENS', align: 'right' as const },
        { title: 'COST', align: 'right' as const },
        { title: 'DIRECTORY', min: 12 },
        { title: 'TITLE', min: 16 },
      ];
      return table(heads, rows, columns, paint);
    });
  },
});

export const messages = defineCommand({
  arguments: { session },
  options: { source, limit, after: option('--after <message>', 'go on after this message') },
  run: async (context, args) => {
    const client = await context.client();
    const page = await client.call('history.messages', {
      id: args.session,
      source: args.source,
      after: args.after,
      limit: args.limit ?? 100,
    });
    context.output.result(page, () => {
      const more = page.next === null ? [] : ['', `More: gantry history messages ${args.session} --after ${page.next}`];
      return [...markdownOf(page.session, page.items).trimEnd().split('\n'), ...more];
    });
  },
});

export const search = defineCommand({
  arguments: { text: words('text', 'what to look for; upper and lower case are one') },
  options: { source, limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 200)) },
  run: async (context, args) => {
    const text = await textFrom(context, args.text, 'What are you looking for?');
    const client = await context.client();
    const found = await client.call('history.search', { text, source: args.source, limit: args.limit ?? 20 });
    tellProblems(context, found.problems);
    if (!found.isComplete) context.output.note('The time was not enough to look everywhere.');
    context.output.result(found.items, () => {
      if (found.items.length === 0) return ['Nothing found.'];
      return found.items.flatMap((hit) => [`${hit.sessionId}  ${brief(hit.title)}`, `  ${hit.excerpt}`]);
    });
  },
});

export const exportSession = defineCommand({
  arguments: { session },
  options: {
    source,
    format: option('-f, --format <format>', 'default markdown', oneOf(['markdown', 'json'])),
    output: option('-o, --output <file>', 'write it there; default: standard output'),
  },
  run: async (context, args) => {
    const whole = await wholeConversation(await context.client(), args.session, args.source);
    const isJson = args.format === 'json' || context.globals.isJson;
    const text = isJson ? `${JSON.stringify(whole, null, 2)}\n` : markdownOf(whole.session, whole.messages);
    if (args.output === undefined) {
      context.output.result(whole, () => text.trimEnd().split('\n'));
      return;
    }
    const file = resolve(context.directory, args.output);
    await writeFile(file, text, { flag: 'wx' });
    context.output.note(`${whole.messages.length} messages are in ${file}`);
  },
});

function tellProblems({ output }: Context, problems: readonly HistoryProblem[]): void {
  for (const { problem } of problems) output.note(problem);
}
