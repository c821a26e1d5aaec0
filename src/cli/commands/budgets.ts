import type { BudgetRow } from '../../contract/budget.ts';
import { defineCommand } from '../command.ts';
import { orDash } from '../lists.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

export const budgets = defineCommand({
  run: async (context) => {
    const { items } = await (await context.client()).call('budgets.list', {});
    const { output } = context;
    output.result(items, () => {
      if (items.length === 0) return ['No limit holds. To set one: docs/budgets.md'];
      return table(
        [
          { title: 'OF' },
          { title: 'NAME', min: 12 },
          { title: 'SPENT', align: 'right' },
          { title: 'RESERVED', align: 'right' },
          { title: 'LIMIT', align: 'right' },
          { title: 'LEFT', align: 'right' },
        ],
        items.map((row) => [
          row.scope,
          orDash(row.name === null ? null : brief(row.name)),
          amount(row, row.spent),
          amount(row, row.reserved),
          amount(row, row.limit),
          amount(row, Math.max(0, row.limit - row.spent - row.reserved)),
        ]),
        output.columns,
        output.paint,
      );
    });
  },
});

function amount({ kind }: BudgetRow, value: number): string {
  switch (kind) {
    case 'usd':
      return `$${Number(value.toFixed(4))}`;
    case 'time':
      return duration(value);
    case 'tokens':
    case 'attempts':
      return `${value} ${kind}`;
    default:
      return kind satisfies never;
  }
}
