import { defineCommand, flag, option } from '../command.ts';
import { projectFrom } from '../context.ts';
import { maybe } from '../maybe.ts';
import { oneLine, wrap } from '../text.ts';

const GLYPHS = { ok: ['✓', 'green'], notice: ['!', 'yellow'], problem: ['✗', 'red'] } as const;

export const doctor = defineCommand({
  options: {
    project: option('--project <dir|name>', 'look at this project too'),
    isQuick: flag('--quick', 'start no agent program'),
    conformance: option('--conformance <backend>', 'try each thing that this backend declares, and nothing else'),
  },
  details: ['Exit codes: 0 the main job would work, 1 it would not.'],
  run: async (context, args) => {
    const { output } = context;
    const client = await context.client();
    if (args.conformance !== undefined) output.note(`Trying ${args.conformance}; its model is asked some ten times …`);
    else if (!args.isQuick) output.note('Checking; every agent program is started once …');
    const found = await client.call('doctor', {
      isQuick: args.isQuick,
      ...(args.conformance !== undefined && { conformance: args.conformance }),
      project: maybe(args.project, (given) => projectFrom(context, given)),
    });
    output.result(found, () =>
      found.checks.flatMap((check) => {
        const [glyph, style] = GLYPHS[check.status];
        const text = wrap(`${check.name}: ${oneLine(check.detail)}`, Math.min(output.columns - 2, 110));
        return [
          ...text.map((line, index) => `${index === 0 ? output.paint(style, glyph) : ' '} ${line}`),
          ...(check.repair === null
            ? []
            : wrap(oneLine(check.repair), Math.min(output.columns - 6, 106)).map((line) => `    → ${line}`)),
        ];
      }),
    );
    return found.isOk ? 0 : 1;
  },
});
