import { pause } from '../../base/wait.ts';
import type { Client } from '../../client/client.ts';
import type { Receipt } from '../../contract/message-operations.ts';
import { textFrom } from '../ask.ts';
import { type Context, defineCommand, flag, oneOf, option, time, words } from '../command.ts';
import { projectFrom } from '../context.ts';
import { stateStyle } from '../lists.ts';
import { maybe } from '../maybe.ts';
import { table } from '../output.ts';

const FAILED: readonly Receipt['state'][] = ['expired', 'refused'];
const POLL_MS = 200;

export const broadcast = defineCommand({
  arguments: { text: words('text', 'the message; - reads standard input') },
  options: {
    project: option('--project <dir|name>', 'only to agents of this project'),
    role: option('--role <name>', 'only to agents of this role'),
    isLiveOnly: flag('--live', 'only to agents that have a session now'),
    mode: option('--mode <mode>', 'when it is read; default next-turn', oneOf(['next-turn', 'steer', 'interrupt'])),
    ttlMs: option('--ttl <time>', 'given up where it was not delivered by then: 1h', time),
    waitMs: option('--wait <time>', 'waits so long for the receipts', time),
    isDryRun: flag('-n, --dry-run', 'names who would get it; sends nothing'),
  },
  details: ['Exit code 1 if it expired or was refused for anyone by the end of the wait.'],
  run: async (context, args) => {
    const text = await textFrom(context, args.text, 'What is the message?');
    const client = await context.client();
    const { receipts } = await client.call('messages.broadcast', {
      text,
      project: maybe(args.project, (given) => projectFrom(context, given)),
      role: args.role,
      isLiveOnly: args.isLiveOnly,
      mode: args.mode ?? 'next-turn',
      ttlMs: args.ttlMs,
      isDryRun: args.isDryRun,
    });
    const last = args.isDryRun
      ? receipts
      : await settled(client, receipts, context.clock.now() + (args.waitMs ?? 0), context);
    const names = (of: (state: Receipt['state']) => boolean): string[] =>
      last.flatMap(({ to, state }) => (of(state) ? [to] : []));
    const summary = {
      delivered: names((s) => s === 'delivered' || s === 'seen' || s === 'replied'),
      queued: names((s) => s === 'queued'),
      failed: names((s) => FAILED.includes(s)),
    };
    context.output.result({ receipts: last, summary }, () => lines(last, context));
    return summary.failed.length > 0 ? 1 : 0;
  },
});

/** The receipts when none is on its way any more, or at the end of the wait. */
async function settled(
  client: Client,
  sent: readonly Receipt[],
  until: number,
  { clock }: Context,
): Promise<readonly Receipt[]> {
  let receipts = sent;
  while (receipts.some(({ state }) => state === 'queued') && clock.now() < until) {
    await pause(Math.min(POLL_MS, until - clock.now()));
    receipts = await Promise.all(receipts.map((receipt) => now(client, receipt)));
  }
  return receipts;
}

async function now(client: Client, receipt: Receipt): Promise<Receipt> {
  if (receipt.messageId === null || receipt.state !== 'queued') return receipt;
  const { items } = await client.call('messages.list', { thread: receipt.messageId, all: 'true', limit: 1000 });
  const found = items.find(({ id }) => id === receipt.messageId);
  return found ? { ...receipt, state: found.state, cause: found.cause ?? found.held } : receipt;
}

function lines(receipts: readonly Receipt[], { output }: Context): string[] {
  if (receipts.length === 0) return ['Nobody is there to get it.'];
  return table(
    [{ title: 'TO' }, { title: 'STATE', style: stateStyle }, { title: 'ID' }, { title: 'CAUSE', min: 10 }],
    receipts.map(({ to, state, messageId, cause }) => [to, state, messageId ?? '-', cause ?? '-']),
    output.columns,
    output.paint,
  );
}
