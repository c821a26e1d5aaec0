import { textFrom } from '../ask.ts';
import { defineCommand, option, words } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';
import { oneLine } from '../text.ts';

const WORDS = { allow: 'allowed', deny: 'denied', ask: 'asks a person' } as const;

export const policyTest = defineCommand({
  arguments: { value: words('tool call', 'a command, path or URL, as the agent would use it') },
  options: {
    tool: option('--tool <name>', 'bash, edit, read, webfetch, …; default bash'),
    role: option('--role <name>', 'as an agent of this role'),
    backend: option('--backend <id>', 'as an agent of this backend'),
    project: option('--project <dir|name>', 'in this project'),
  },
  run: async (context, args) => {
    const value = await textFrom(context, args.value, 'Which command?');
    const client = await context.client();
    const verdict = await client.call('policy.test', {
      value,
      tool: args.tool ?? 'bash',
      role: args.role,
      backend: args.backend,
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    const { paint } = context.output;
    const colour = { allow: 'green', deny: 'red', ask: 'yellow' } as const;
    context.output.result(verdict, () => [
      `${paint(colour[verdict.action], WORDS[verdict.action])}  by rule: ${oneLine(verdict.rule)}`,
      ...(verdict.reason === null ? [] : [`  ${oneLine(verdict.reason)}`]),
      ...(verdict.patterns.length > 1 ? verdict.patterns.map((pattern) => `  looked at: ${oneLine(pattern)}`) : []),
    ]);
  },
});
