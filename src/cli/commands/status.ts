import type { DaemonStatus } from '../../contract/shapes.ts';
import { findDaemon } from '../../daemon/find-daemon.ts';
import { type Context, defineCommand } from '../command.ts';
import { clientOf } from '../connect.ts';
import { fieldLines } from '../fields.ts';
import { bytes, duration, oneLine, plural } from '../text.ts';

export const status = defineCommand({
  details: ['Exit codes: 0 running, 4 not running.'],
  run: async (context) => {
    const { globals, environment, home, output } = context;
    const isNamed = globals.url !== null || environment.GANTRY_URL !== undefined;
    const found = isNamed ? null : await findDaemon(home);
    if (!isNamed && found === null) {
      output.result({ isRunning: false, home }, () => [`not running (home ${home})`]);
      return 4;
    }
    const client = found === null ? await context.client() : clientOf(found.url, globals.token ?? found.token);
    const daemon = await client.call('status', {});
    output.result({ isRunning: true, ...daemon }, () => statusLines(daemon, context));
    return 0;
  },
});

const counts = (states: Readonly<Record<string, number>>): string =>
  Object.entries(states)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `${n} ${state}`)
    .join(', ') || 'none';

function statusLines(daemon: DaemonStatus, { output, clock }: Context): string[] {
  return [
    output.paint('green', `running at ${daemon.url}`),
    ...fieldLines(
      [
        ['version', `${daemon.version} on Node ${daemon.node}`],
        ['pid', `${daemon.pid}, for ${duration(clock.now() - daemon.startedAt)}`],
        ['home', daemon.home],
        ['store', `${bytes(daemon.storeBytes)}, ${plural(daemon.seq, 'fact')}`],
        ['memory', bytes(daemon.rssBytes)],
        ['requests', counts(daemon.requests)],
        ['tasks', counts(daemon.tasks)],
        [
          'approvals',
          daemon.pendingApprovals === 0 ? 'none waiting' : `${daemon.pendingApprovals} waiting: gantry approvals`,
        ],
      ],
      output,
    ),
    ...daemon.alerts.map((alert) => output.paint('yellow', `! ${oneLine(alert.text)}`)),
  ];
}
