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
    });
    output.result(made, () => [made.token]);
    output.note(`Scope ${made.info.scope}. It is shown only now.`);
  },
});
