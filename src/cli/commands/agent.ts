import { AppError } from '../../contract/errors.ts';
import type { StartedAgent, StoppedAgent } from '../../contract/life-operations.ts';
import { argument, defineCommand, option } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';

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
  details: ['  gantry agent start mayor', '  gantry agent start worker-1 --project myproject --agent opencode'],
  run: async (context, args) => {
    if (args.agentProgram !== undefined && args.backend !== undefined && args.agentProgram !== args.backend)
      throw new AppError('usage', `--agent ${args.agentProgram} and --backend ${args.backend} differ: give one`);
    const client = await context.client();
    const started = await client.call('agents.start', {
      agent: args.agent,
      project: maybe(args.project, (given) => projectFrom(context, given)),
      directory: context.directory,
      role: args.role,
      backend: args.agentProgram ?? args.backend,
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
