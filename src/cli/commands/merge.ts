import type { OutputOf } from '../../contract/api.ts';
import { type Merge, MergeState, Verdict } from '../../contract/merge.ts';
import type { Context } from '../command.ts';
import { argument, defineCommand, integer, oneOf, option, someOf } from '../command.ts';
import { projectFrom } from '../context.ts';
import { idOf } from '../ids.ts';
import { emptyLine, orDash, stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

const mergeArgument = argument('merge', 'a merge (mrg_…)');

export const add = defineCommand({
  arguments: { request: argument('request', 'a request that is done (req_…)') },
  options: {
    target: option('--target <branch>', 'merge it there; default: merge.target, else the branch that is checked out'),
    priority: option('--priority <n>', '0 is most urgent, 4 least; default 2', integer(0, 4)),
  },
  run: async (context, args) => {
    const client = await context.client();
    const merge = await client.call('merges.add', {
      requestId: idOf(args.request, ['req']),
      target: args.target,
      priority: args.priority,
    });
    show(context, merge);
  },
});

export const ls = defineCommand({
  options: {
    state: option('--state <a,b>', 'only in these states', someOf(MergeState.options)),
    project: option('--project <dir|name>', 'only of this project'),
    limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 1000)),
  },
  run: async (context, args) => {
    const client = await context.client();
    const { items } = await client.call('merges.list', {
      limit: args.limit ?? 20,
      state: args.state,
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    const filters = [args.state, args.project];
    context.output.result(items, () => listLines(context, items, filters));
  },
});

function listLines(
  { clock, output }: Context,
  items: OutputOf<'merges.list'>['items'],
  filters: readonly unknown[],
): string[] {
  const none = 'Nothing is in the merge queue. Add the work of a request: gantry merge add <request>';
  if (items.length === 0) return [emptyLine(filters, none)];
  const now = clock.now();
  const rows = items.map((merge) => [
    merge.id,
    merge.state,
    orDash(merge.place === null ? null : String(merge.place)),
    merge.target,
    merge.branch,
    duration(now - merge.createdAt),
    orDash(merge.cause === null ? null : brief(merge.cause)),
  ]);
  const columns = [
    { title: 'ID' },
    { title: 'STATE', style: stateStyle },
    { title: 'PLACE', align: 'right' as const },
    { title: 'TARGET' },
    { title: 'BRANCH', min: 10 },
    { title: 'AGE', align: 'right' as const },
    { title: 'CAUSE', min: 16 },
  ];
  return table(columns, rows, output.columns, output.paint);
}

export const review = defineCommand({
  arguments: { merge: mergeArgument, verdict: argument('verdict', Verdict.options.join(' or '), Verdict.options) },
  options: { message: option('-m, --message <text>', 'why; the authors are told') },
  run: async (context, args) => {
    const client = await context.client();
    const verdict = oneOf(Verdict.options).parse(args.verdict);
    const text = args.message ?? '';
    show(context, await client.call('merges.review', { id: idOf(args.merge, ['mrg']), verdict, text }));
  },
});

export const retry = defineCommand({
  arguments: { merge: mergeArgument },
  run: async (context, args) => {
    const client = await context.client();
    show(context, await client.call('merges.retry', { id: idOf(args.merge, ['mrg']) }));
  },
});

export const withdraw = defineCommand({
  arguments: { merge: mergeArgument },
  options: { reason: option('--reason <text>', 'kept with it') },
  run: async (context, args) => {
    const client = await context.client();
    show(context, await client.call('merges.withdraw', { id: idOf(args.merge, ['mrg']), reason: args.reason }));
  },
});

const show = ({ output }: Context, merge: Merge): void =>
  output.result(merge, () => [`${merge.id} ${merge.state}${merge.cause === null ? '' : `: ${merge.cause}`}`]);
