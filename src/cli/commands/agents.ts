import type { AgentRow } from '../../contract/shapes.ts';
import type { Context } from '../command.ts';
import { defineCommand, flag, option } from '../command.ts';
import { projectFrom } from '../context.ts';
import { orDash, stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { type Column, table } from '../output.ts';
import { repeat } from '../repeat.ts';
import { cost, duration, oneLine } from '../text.ts';

const COLUMNS: readonly Column[] = [
  { title: 'BACKEND' },
  { title: 'ROLE', min: 6 },
  { title: 'NAME', min: 6 },
  { title: 'PROJECT', min: 6 },
  { title: 'STATE', style: stateStyle },
  { title: 'TASK', min: 8 },
  { title: 'HOST', min: 5 },
  { title: 'AGE', align: 'right' },
  { title: 'LAST', align: 'right' },
  { title: 'COST', align: 'right' },
];

export const agents = defineCommand({
  options: {
    watch: flag('-w, --watch', 'keep the table up to date until Ctrl-C'),
    project: option('--project <dir|name>', 'only of this project'),
    role: option('--role <name>', 'only of this role'),
    state: option('--state <state>', 'only in this state'),
  },
  run: async (context, args) => {
    const client = await context.client();
    const query = {
      project: maybe(args.project, (given) => projectFrom(context, given)),
      role: args.role,
      state: args.state,
    };
    const read = async (): Promise<readonly AgentRow[]> => (await client.call('agents.list', query)).items;
    if (args.watch) return repeat(context, read, (rows) => agentLines(rows, context));
    const rows = await read();
    context.output.result(rows, () => agentLines(rows, context));
    return 0;
  },
});

function agentLines(rows: readonly AgentRow[], { output, clock }: Context): string[] {
  if (rows.length === 0) return ['No agents. They come with the first task.'];
  const now = clock.now();
  const cells = rows.map((row) => [
    row.backend,
    orDash(row.role),
    orDash(row.name),
    orDash(row.project),
    row.state,
    orDash(row.task),
    orDash(row.host),
    row.age === null ? '-' : duration(row.age),
    row.last === null ? '-' : duration(now - row.last),
    row.error === null ? cost(row.cost) : '-',
  ]);
  const errors = rows.filter((row) => row.error !== null);
  return [
    ...table(COLUMNS, cells, output.columns, output.paint),
    ...errors.map((row) => output.paint('red', `${row.backend}: ${oneLine(row.error ?? '')}`)),
  ];
}
