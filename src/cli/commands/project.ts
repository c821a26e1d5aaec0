import { argument, defineCommand, flag, option, optionalArgument } from '../command.ts';
import { projectFrom } from '../context.ts';
import { table } from '../output.ts';

export const add = defineCommand({
  arguments: { path: optionalArgument('dir', 'a git repository; default: this directory') },
  options: {
    name: option('--name <name>', 'what to call it; default: the last part of its path'),
    isTrusted: flag('--trust', "let the repository's own plugins, MCP servers and agent settings run"),
    isDistrusted: flag('--distrust', 'take the trust back'),
  },
  run: async (context, args) => {
    const client = await context.client();
    const project = await client.call('projects.add', {
      path: projectFrom(context, args.path ?? '.'),
      name: args.name,
      ...((args.isTrusted || args.isDistrusted) && { isTrusted: args.isTrusted }),
    });
    context.output.result(project, () => [
      `${project.name} is ${project.path}${project.isTrusted ? ' (trusted)' : ''}`,
    ]);
  },
});

export const ls = defineCommand({
  run: async ({ client, output }) => {
    const { items } = await (await client()).call('projects.list', {});
    output.result(items, () => {
      if (items.length === 0) return ['No projects. Register one: gantry project add DIR'];
      const rows = items.map((item) => [item.name, item.id, item.isTrusted ? 'yes' : 'no', item.path]);
      const columns = [{ title: 'NAME', min: 8 }, { title: 'ID' }, { title: 'TRUSTED' }, { title: 'PATH', min: 16 }];
      return table(columns, rows, output.columns, output.paint);
    });
  },
});

export const rm = defineCommand({
  arguments: { project: argument('project', 'its name, id or path') },
  run: async (context, args) => {
    const client = await context.client();
    const project = await client.call('projects.remove', { project: projectFrom(context, args.project) });
    context.output.result(project, () => [`${project.name} is forgotten; ${project.path} was not touched`]);
  },
});
