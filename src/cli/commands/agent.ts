import type { OutputOf } from '../../contract/api.ts';
import { AppError } from '../../contract/errors.ts';
import type { StartedAgent, StoppedAgent } from '../../contract/life-operations.ts';
import type { TranscriptItem } from '../../contract/session.ts';
import { runForeground } from '../../process/foreground.ts';
import { textFrom } from '../ask.ts';
import { argument, defineCommand, flag, integer, oneOf, option, optionalArgument, words } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';
import { oneBackend } from '../one-backend.ts';
import { oneLine } from '../text.ts';

const agentArgument = argument('agent', 'its address project/role/name, or a short form: its name, project/name');

export const start = defineCommand({
  arguments: { agent: argument('agent', 'an address, a role that has one agent, or a name; made if there is none') },
  options: {
    project: option('--project <dir|name>', 'its project; default: the one of this directory'),
    role: option('--role <name>', 'default: the default role'),
    agentProgram: option('--agent <backend>', 'the agent program: the same as --backend'),
    backend: option('--backend <id>', 'the agent program; default: that of the agent or role'),
    model: option('--model <provider/model>', 'default: that of the agent, role or backend'),
  },
  details: [
    '  gantry agent start lead --project myproject',
    '  gantry agent start worker-1 --project myproject --agent opencode',
  ],
  run: async (context, args) => {
    const backend = oneBackend('--agent', args.agentProgram, args.backend);
    const client = await context.client();
    const started = await client.call('agents.start', {
      agent: args.agent,
      project: maybe(args.project, (given) => projectFrom(context, given)),
      directory: context.directory,
      role: args.role,
      backend,
      model: args.model,
    });
    context.output.result(started, () => startedLines(started));
  },
});

export const stop = defineCommand({
  arguments: { agent: agentArgument },
  options: { reason: option('--reason <text>', 'why; kept with what happened') },
  run: async (context, args) => {
    const client = await context.client();
    const stopped = await client.call('agents.stop', { agent: args.agent, reason: args.reason });
    context.output.result(stopped, () => stoppedLines(stopped));
    return stopped.survivors.length > 0 ? 1 : 0;
  },
});

export const fork = defineCommand({
  arguments: { agent: agentArgument },
  options: { name: option('--name <name>', 'of the new agent; default: the other’s, with -fork') },
  details: ['The other goes on undisturbed. What it has not committed is not in the fork, and is named.'],
  run: async (context, args) => {
    const client = await context.client();
    const started = await client.call('agents.fork', { agent: args.agent, name: args.name });
    context.output.result(started, () => startedLines(started));
  },
});

export const handoff = defineCommand({
  arguments: { agent: agentArgument },
  options: {
    to: option('--to <backend>', 'the agent program that takes over; default: its own, in a new session'),
    backend: option('--backend <id>', 'the same as --to'),
    model: option('--model <provider/model>', 'default: that of the role or backend'),
    note: option('--note <text>', 'what the other should know; - reads standard input'),
  },
  run: async (context, args) => {
    const backend = oneBackend('--to', args.to, args.backend);
    const note = args.note === '-' ? await textFrom(context, '-', 'What should it know?') : args.note;
    const client = await context.client();
    const done = await client.call('agents.handoff', { agent: args.agent, backend, model: args.model, note });
    context.output.result(done, () => [
      `${done.agent} ${done.from} → ${done.from === done.backend ? 'a new session of ' : ''}${done.backend}${done.taskId === null ? '' : `, with ${done.taskId}`}`,
      ...done.note.split('\n').map((line) => `  ${line}`),
      ...done.notices.map((notice) => `  note: ${notice}`),
    ]);
  },
});

export const peek = defineCommand({
  arguments: { agent: agentArgument },
  options: {
    limit: option('-n, --limit <n>', 'so many of the last things it said and did; default 20', integer(1, 1000)),
  },
  run: async (context, args) => {
    const client = await context.client();
    const seen = await client.call('agents.peek', { agent: args.agent, limit: args.limit ?? 20 });
    context.output.result(seen, () => peekLines(seen));
  },
});

export const attach = defineCommand({
  arguments: { agent: agentArgument },
  options: { isInterrupting: flag('--interrupt', 'also in the middle of a turn, which is broken off (claude)') },
  details: [
    'In this terminal, by the agent program’s own screen. opencode: beside Gantry; leaving it leaves the agent at work. claude: in tmux, you alone; messages wait until you leave it with Ctrl-B D or /exit, then Gantry goes on.',
    '--json shows how the screen is started instead, with the server’s password if it has one.',
  ],
  run: async (context, args) => {
    if (!context.isInteractive && !context.output.isJson)
      throw new AppError('usage', 'gantry agent attach needs a terminal; without one: gantry agent peek, or --json');
    const client = await context.client();
    const view = await client.call('agents.attach', { agent: args.agent, isInterrupting: args.isInterrupting });
    if (context.output.isJson) {
      context.output.json(view);
      return 0;
    }
    const [program = '', ...rest] = view.command;
    const env = { ...context.environment, ...view.env };
    return (await runForeground([program, ...rest], { cwd: view.directory, env })) ?? 1;
  },
});

export const prime = defineCommand({
  arguments: { agent: optionalArgument('agent', 'its address or a short form; an agent itself leaves it out') },
  options: { isExplained: flag('--explain', 'say why each part is there') },
  run: async (context, args) => {
    const client = await context.client();
    const primed = await client.call('agents.prime', { agent: args.agent });
    context.output.result(primed, () =>
      args.isExplained
        ? primed.parts.flatMap(({ title, text, why }) => [`# ${title} (${why})`, text, ''])
        : [primed.text],
    );
  },
});

export const escalate = defineCommand({
  arguments: { text: words('text', 'what blocks; - reads standard input') },
  options: {
    severity: option('--severity <s>', 'default medium', oneOf(['low', 'medium', 'high', 'critical'])),
    subject: option('-s, --subject <text>', 'in a few words'),
  },
  run: async (context, args) => {
    const text = await textFrom(context, args.text, 'What blocks?');
    const client = await context.client();
    const { items } = await client.call('messages.escalate', { text, subject: args.subject, severity: args.severity });
    context.output.result(items, () => items.map(({ id, to, state }) => `${id} to ${to} ${state}`));
  },
});

function peekLines({ row, items, approvals, messages }: OutputOf<'agents.peek'>): string[] {
  const activity = row.activity === null ? '' : `, ${row.activity}`;
  return [
    `${row.agent} ${row.state}${activity}${row.task === null ? '' : `, works on ${row.task}`}`,
    ...items.map((item) => `  ${itemLine(item)}`),
    ...approvals.map(({ id }) => `waits for your answer: gantry approve ${id}, or gantry deny ${id}`),
    ...messages.map(({ id, from }) => `${id} from ${from} is not given to it yet`),
  ];
}

function itemLine(item: TranscriptItem): string {
  if (item.type === 'tool') return `${item.tool} ${item.status}: ${oneLine(JSON.stringify(item.input))}`;
  return `${item.type}: ${oneLine(item.type === 'raw' ? JSON.stringify(item.value) : item.text)}`;
}

function startedLines(started: StartedAgent): string[] {
  return [
    `${started.agent} ${started.state}: ${started.cause}`,
    `  backend   ${started.model === null ? started.backend : `${started.backend}, ${started.model}`}`,
    `  session   ${started.sessionId} (${started.nativeId ?? 'no native id yet'})`,
    `  workspace ${started.workspace}`,
    ...(started.branch === null ? [] : [`  branch    ${started.branch}`]),
    ...started.notices.map((notice) => `  note: ${notice}`),
  ];
}

function stoppedLines(stopped: StoppedAgent): string[] {
  const end = stopped.signal ?? (stopped.exitCode === null ? null : `exit code ${stopped.exitCode}`);
  return [
    `${stopped.agent} ${stopped.state}: ${stopped.cause}${end === null ? '' : ` (${end})`}`,
    ...(stopped.workspace === null ? [] : [`  workspace ${stopped.workspace}`]),
    ...stopped.unsaved.map((what) => `  not saved elsewhere: ${what}`),
    ...stopped.survivors.map((pid) => `  still alive: process ${pid}`),
  ];
}
