import { defineCommand, option } from '../command.ts';
import { orDash, stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { duration, oneLine } from '../text.ts';

export const grants = defineCommand({
  options: { revoke: option('--revoke <id>', 'take this one back') },
  run: async ({ client, output, clock }, args) => {
    const daemon = await client();
    if (args.revoke !== undefined) {
      const grant = await daemon.call('grants.revoke', { id: args.revoke });
      output.result(grant, () => [`${grant.id} ${grant.state}`]);
      return;
    }
    const { items } = await daemon.call('grants.list', {});
    const now = clock.now();
    output.result(items, () => {
      if (items.length === 0) return ['No standing permissions.'];
      const rows = items.map((grant) => [
        grant.id,
        grant.state,
        grant.scope,
        grant.tool,
        grant.patterns.map(oneLine).join(' '),
        orDash(grant.sessionId ?? grant.projectId),
        grant.expiresAt === null ? 'never' : duration(grant.expiresAt - now),
      ]);
      return table(
        [
          { title: 'ID' },
          { title: 'STATE', style: stateStyle },
          { title: 'FOR' },
          { title: 'TOOL' },
          { title: 'PATTERN', min: 12 },
          { title: 'WHERE', min: 8 },
          { title: 'ENDS IN', align: 'right' },
        ],
        rows,
        output.columns,
        output.paint,
      );
    });
  },
});
