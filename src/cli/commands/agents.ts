import { AppError } from '../../contract/errors.ts';
import { Activity } from '../../contract/session.ts';
import { type AgentRow, AgentRowState } from '../../contract/shapes.ts';
import type { Context } from '../command.ts';
import { defineCommand, flag, type Kind, list, oneOf, option, time } from '../command.ts';
import { projectFrom } from '../context.ts';
import { emptyLine, orDash, stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { type Column, table } from '../output.ts';
import { repeat } from '../repeat.ts';
import { cost, duration, oneLine } from '../text.ts';

const age = (at: number | null, now: number): string => (at === null ? '-' : duration(now - at));

/** What a row can show, by the name that `--columns` takes: its head and how it is read. */
const COLUMNS: Readonly<Record<string, Column & { readonly cell: (row: AgentRow, now: number) => string }>> = {
  backend: { title: 'BACKEND', cell: (row) => row.backend },
  role: { title: 'ROLE', min: 6, cell: (row) => orDash(row.role) },
  name: { title: 'NAME', min: 6, cell: (row) => orDash(row.name) },
  project: { title: 'PROJECT', min: 6, cell: (row) => orDash(row.project) },
  state: { title: 'STATE', style: stateStyle, cell: (row) => row.state },
  activity: { title: 'ACTIVITY', cell: (row) => orDash(row.activity) },
  task: { title: 'TASK', min: 8, cell: (row) => orDash(row.task) },
  request: { title: 'REQUEST', min: 8, cell: (row) => orDash(row.request) },
  agent: { title: 'AGENT', min: 8, cell: (row) => orDash(row.agent) },
  session: { title: 'SESSION', min: 8, cell: (row) => orDash(row.session) },
  model: { title: 'MODEL', cell: (row) => orDash(row.model) },
  workspace: { title: 'WORKSPACE', min: 8, cell: (row) => orDash(row.workspace) },
  host: { title: 'HOST', min: 5, cell: (row) => orDash(row.host) },
  age: { title: 'AGE', align: 'right', cell: (row) => (row.age === null ? '-' : duration(row.age)) },
  last: { title: 'LAST', align: 'right', cell: (row, now) => age(row.last, now) },
  cost: { title: 'COST', align: 'right', cell: (row) => (row.state === 'error' ? '-' : cost(row.cost)) },
};
const USUAL = ['backend', 'role', 'name', 'project', 'state', 'task', 'host', 'age', 'last', 'cost'];

const columnNames: Kind<readonly string[]> = {
  values: [],
  parse: (given) => {
    const names = list.parse(given);
    const unknown = names.find((name) => !Object.hasOwn(COLUMNS, name));
    if (unknown === undefined && names.length > 0) return names;
    throw new AppError('usage', `there is no column "${unknown ?? ''}"`, {
      details: { accepted: Object.keys(COLUMNS) },
    });
  },
};

export const agents = defineCommand({
  options: {
    watch: flag('-w, --watch', 'keep the table up to date until Ctrl-C'),
    columns: option(
      '--columns <names>',
      `which columns, separated by commas: ${Object.keys(COLUMNS).join(', ')}`,
      columnNames,
    ),
    backend: option('--backend <id>', 'only on this backend'),
    project: option('--project <dir|name>', 'only of this project'),
    role: option('--role <name>', 'only of this role'),
    state: option('--state <state>', 'only in this state', oneOf(AgentRowState.options)),
    activity: option('--activity <activity>', 'only those whose session does this', oneOf(Activity.options)),
    agent: option('--agent <address>', 'only this one'),
    node: option('--node <host>', 'only on this host'),
    task: option('--task <id>', 'only the one with this task'),
    request: option('--request <id>', 'only those at work for this request'),
    sinceMs: option('--since <time>', 'only those with an event since then: 10m', time),
  },
  run: async (context, args) => {
    const client = await context.client();
    const query = {
      backend: args.backend,
      project: maybe(args.project, (given) => projectFrom(context, given)),
      role: args.role,
      state: args.state,
      activity: args.activity,
      agent: args.agent,
      node: args.node,
      task: args.task,
      request: args.request,
      since: maybe(args.sinceMs, (ms) => context.clock.now() - ms),
    };
    const shown = { names: args.columns ?? USUAL, filters: Object.values(query) };
    const read = async (): Promise<readonly AgentRow[]> => (await client.call('agents.list', query)).items;
    if (args.watch) return repeat(context, read, (rows) => agentLines(rows, shown, context));
    const rows = await read();
    context.output.result(rows, () => agentLines(rows, shown, context));
    return 0;
  },
});

function agentLines(
  rows: readonly AgentRow[],
  { names, filters }: { readonly names: readonly string[]; readonly filters: readonly unknown[] },
  { output, clock }: Context,
): string[] {
  if (rows.length === 0) return [emptyLine(filters, 'No agents. They come with the first task.')];
  const now = clock.now();
  const columns = names.flatMap((name) => COLUMNS[name] ?? []);
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row, now)));
  const errors = rows.filter((row) => row.state === 'error');
  return [
    ...table(columns, cells, output.columns, output.paint),
    ...errors.map((row) => output.paint('red', `${row.backend}: ${oneLine(row.error ?? '')}`)),
  ];
}
