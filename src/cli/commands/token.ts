import { Scope } from '../../contract/shapes.ts';
import { defineCommand, flag, list, oneOf, option, time } from '../command.ts';
import { stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { duration } from '../text.ts';

export const token = defineCommand({
  options: {
    scope: option('--scope <scope>', 'what it may do; default operate', oneOf(Scope.options)),
    ttlMs: option('--ttl <time>', 'how long it is valid: 1h, 30d; default until revoked', time),
    callers: option('--callers <ids>', 'bind it to these callers of delegated tasks: a,b', list),
    app: option('--app <name>', 'bind an ingest token to the events of this app'),
    name: option('--name <name>', 'what to call it; default cli'),
    list: flag('--list', 'list tokens; their values are never shown again'),
    revoke: option('--revoke <id>', 'make this one invalid'),
  },
  run: async ({ client, output, clock }, args) => {
    const daemon = await client();
    if (args.revoke !== undefined) {
      const info = await daemon.call('tokens.revoke', { id: args.revoke });
      output.result(info, () => [`${info.id} (${info.name}) is invalid now`]);
      return;
    }
    if (args.list) {
      const { items } = await daemon.call('tokens.list', {});
      const now = clock.now();
      const rows = items.map((item) => [
        item.id,
        item.name,
        item.scope,
        item.expiresAt === null ? 'never' : duration(item.expiresAt - now),
        item.lastUsedAt === null ? 'never' : `${duration(now - item.lastUsedAt)} ago`,
      ]);
      const columns = [
        { title: 'ID' },
        { title: 'NAME', min: 8 },
        { title: 'SCOPE', style: stateStyle },
        { title: 'ENDS IN' },
        { title: 'USED' },
      ];
      output.result(items, () => table(columns, rows, output.columns, output.paint));
      return;
    }
    const made = await daemon.call('tokens.create', {
      name: args.name ?? 'cli',
      scope: args.scope ?? 'operate',
      ttlMs: args.ttlMs,
      ...(args.callers && { callers: [...args.callers] }),
      sourceApp: args.app,
    });
    const { scope } = made.info;
    const addresses = addressesOf(daemon.url, scope, made.token, args.app);
    output.result({ ...made, ...(addresses.length > 0 && { addresses: Object.fromEntries(addresses) }) }, () => [
      made.token,
    ]);
    output.note(`Scope ${scope}. It is shown only now.`);
    for (const [program, address] of addresses) output.note(`${program}: ${address}`);
  },
});

/** What programs of the hooks observability server are given, docs/events.md. */
function addressesOf(url: string, scope: Scope, token: string, app = 'NAME'): readonly (readonly [string, string])[] {
  const [given, viewed] = [`${url}/in/${token}`, `${url}/view/${token}`];
  if (scope === 'ingest') {
    return [
      ['send_event.py --server-url', `${given}/events`],
      ['HITLRequest observability_url', given],
      ['http hooks', `${given}/hook?source_app=${encodeURIComponent(app)}`],
    ];
  }
  if (scope !== 'read' && scope !== 'approve') return [];
  return [
    ['VITE_API_URL', viewed],
    ['VITE_WS_URL', `${viewed.replace(/^http/, 'ws')}/stream`],
  ];
}
