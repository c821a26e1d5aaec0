import type { OutputOf } from '../../contract/api.ts';
import type { Context } from '../command.ts';
import { defineCommand, list, option } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';
import { duration } from '../text.ts';

export const estop = defineCommand({
  options: {
    project: option('--project <dir|name>', 'only this project; without it the whole plane'),
    reason: option('-r, --reason <text>', 'why; shown to whoever asks'),
    keep: option('--keep <agents>', 'agents that go on, separated by commas', list),
  },
  run: async (context, args) => {
    const project = maybe(args.project, (given) => projectFrom(context, given));
    const client = await context.client();
    const result = await client.call('estop', { project, reason: args.reason, keep: [...(args.keep ?? [])] });
    context.output.result(result, () => [
      result.isChanged ? 'Stopped. Conversations and workspaces are kept.' : 'It was stopped already; nothing changed.',
      ...lines(result, context),
    ]);
  },
});

export const thaw = defineCommand({
  options: { project: option('--project <dir|name>', 'only the stop of this project; without it every one') },
  run: async (context, args) => {
    const project = maybe(args.project, (given) => projectFrom(context, given));
    const result = await (await context.client()).call('thaw', { project });
    context.output.result(result, () => [
      result.isChanged ? 'The work goes on.' : 'Nothing was stopped there.',
      ...lines(result, context),
    ]);
  },
});

const lines = ({ stops }: OutputOf<'estop'>, { clock }: Context): string[] =>
  stops.map((s) => `${s.project ?? 'everything'}: ${s.reason} (${s.by}, ${duration(clock.now() - s.at)} ago)`);
