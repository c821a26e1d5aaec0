import { once } from 'node:events';
import { hostname } from 'node:os';
import { AppError } from '../../contract/errors.ts';
import { type FleetNode, NodeName } from '../../contract/node.ts';
import { variable } from '../../daemon/environment.ts';
import { runNode } from '../../daemon/node.ts';
import { argument, defineCommand, option } from '../command.ts';
import { orDash, stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { duration } from '../text.ts';

/** `Big Machine.local` → `big-machine` */
const ownName = (): string =>
  (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 40) || 'node';

export const join = defineCommand({
  arguments: { url: argument('url', 'the address of that Gantry, as this machine reaches it') },
  options: { name: option('--name <name>', "what to call this machine; default: the host's name") },
  details: [
    'Offers this machine to the Gantry at that address, and runs its agents here until Ctrl-C. It needs a token of scope ' +
      'node, by --token or GANTRY_TOKEN: on the other machine, gantry token --scope node --name NAME.',
  ],
  run: async ({ home, environment, output, globals }, args) => {
    const name = NodeName.safeParse(args.name ?? ownName());
    if (!name.success) throw new AppError('usage', `--name: ${name.error.issues[0]?.message}`);
    const token = globals.token ?? variable(environment, 'GANTRY_TOKEN');
    if (token === undefined)
      throw new AppError('usage', 'a token is needed: --token or GANTRY_TOKEN (gantry token --scope node)');
    const leaving = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) void once(process, signal).then(() => leaving.abort());
    const say = (text: string): void => output.note(text);
    await runNode({ ...{ home, environment, token, say }, url: args.url, name: name.data, signal: leaving.signal });
    output.result({ name: name.data, state: 'left' }, () => ['left']);
  },
});

export const nodes = defineCommand({
  run: async ({ client, output, clock }) => {
    const { items } = await (await client()).call('nodes.list', {});
    output.result(items, () => {
      if (items.length === 0) return ['No other machine runs agents. To add one: docs/nodes.md'];
      const row = ({ name, state, system, version, backends, sessions, since }: FleetNode): string[] => [
        name,
        state,
        orDash(system),
        orDash(version),
        orDash(backends.join(', ') || null),
        String(sessions),
        since === null ? '-' : duration(clock.now() - since),
      ];
      const columns = [
        { title: 'NAME', min: 6 },
        { title: 'STATE', style: stateStyle },
        { title: 'SYSTEM' },
        { title: 'VERSION' },
        { title: 'BACKENDS', min: 8 },
        { title: 'SESSIONS', align: 'right' as const },
        { title: 'SINCE', align: 'right' as const },
      ];
      return table(columns, items.map(row), output.columns, output.paint);
    });
  },
});
