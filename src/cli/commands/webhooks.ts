import { AppError } from '../../contract/errors.ts';
import type { ProjectionStatus } from '../../contract/webhook.ts';
import type { Context } from '../command.ts';
import { defineCommand, integer, option, optionalArgument } from '../command.ts';
import { stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { duration, oneLine } from '../text.ts';

const ACTIONS = ['test', 'rebuild'] as const;

export const webhooks = defineCommand({
  arguments: {
    action: optionalArgument('action', 'test: deliver a test now; rebuild: tell again what the journal holds'),
    name: optionalArgument('name', 'the name of a webhook in the configuration'),
  },
  options: {
    since: option('--since <seq>', 'rebuild: after this position; default 0', integer(0, Number.MAX_SAFE_INTEGER)),
  },
  details: ['Without an action: every webhook with its state and last error. They are configured in config.jsonc.'],
  run: async (context, { action, name, since }) => {
    if (action === undefined) return await list(context);
    const known = ACTIONS.find((one) => one === action);
    if (known === undefined || name === undefined) {
      const accepted = ACTIONS.map((one) => `webhooks ${one} <name>`);
      throw new AppError('usage', known ? 'which webhook?' : `"${action}" is not accepted here`, {
        details: { accepted },
      });
    }
    const full = `webhook:${name}`;
    const client = await context.client();
    if (known === 'rebuild') {
      const status = await client.call('projections.rebuild', { name: full, since: since ?? 0 });
      context.output.result(status, () => [`${name} goes on after ${status.cursor}`]);
      return 0;
    }
    const tried = await client.call('projections.test', { name: full });
    context.output.result(tried, () => [tried.isDelivered ? `${name}: delivered` : `${name}: ${tried.error}`]);
    return tried.isDelivered ? 0 : 1;
  },
});

async function list({ client, output, clock }: Context): Promise<number> {
  const { items } = await (await client()).call('projections.list', {});
  const found = items.filter(({ name }) => name.startsWith('webhook:'));
  output.result(found, () => {
    if (found.length === 0) return ['No webhooks. They are configured in config.jsonc: docs/webhooks.md.'];
    const columns = [
      { title: 'NAME', min: 8 },
      { title: 'STATE', style: stateStyle },
      { title: 'TARGET' },
      { title: 'WAITING' },
      { title: 'DELIVERED' },
      { title: 'DROPPED' },
      { title: 'LAST ERROR', min: 12 },
    ];
    return table(
      columns,
      found.map((one) => rowOf(one, clock.now())),
      output.columns,
      output.paint,
    );
  });
  return 0;
}

const rowOf = (one: ProjectionStatus, now: number): string[] => [
  one.name.slice(one.name.indexOf(':') + 1),
  one.state,
  one.target,
  String(one.waiting + one.behind),
  String(one.delivered),
  String(one.dropped),
  one.problem ??
    (one.lastError === null ? '-' : `${duration(now - one.lastError.at)} ago: ${oneLine(one.lastError.text)}`),
];
