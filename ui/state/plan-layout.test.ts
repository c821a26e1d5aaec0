import fc from 'fast-check';
import { expect, test } from 'vitest';
import { layOutPlan, type PlanNode } from './plan-layout.ts';

const node = (id: string, dependsOn: readonly string[] = []): PlanNode => ({
  id,
  label: id,
  title: id,
  state: 'ready',
  dependsOn,
});

test('a task stands right of all that it waits for, the others below each other', () => {
  const { nodes, edges } = layOutPlan([node('a'), node('b'), node('c', ['a', 'b']), node('d', ['c', 'a'])]);
  const at = Object.fromEntries(nodes.map(({ id, x, y }) => [id, { x, y }]));
  expect(at.a?.x).toBe(at.b?.x);
  expect(at.a?.y).toBeLessThan(at.b?.y ?? 0);
  expect(at.c?.x).toBeGreaterThan(at.a?.x ?? 0);
  expect(at.d?.x).toBeGreaterThan(at.c?.x ?? 0);
  expect(edges.map(({ key }) => key)).toEqual(['a c', 'b c', 'c d', 'a d']);
});

test('any plan is laid out: no two tasks at one place, none left of what it waits for', () => {
  const plans = fc.array(fc.array(fc.nat(12), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(plans, (waits) => {
      const given = waits.map((before, index) =>
        node(String(index), [...new Set(before.filter((one) => one < index))].map(String)),
      );
      const { nodes, width, height } = layOutPlan(given);
      expect(new Set(nodes.map(({ x, y }) => `${x} ${y}`)).size).toBe(given.length);
      const byId = new Map(nodes.map((placed) => [placed.id, placed]));
      for (const placed of nodes) {
        expect(placed.x).toBeLessThan(width);
        expect(placed.y).toBeLessThan(height);
        for (const id of placed.dependsOn) expect(placed.x).toBeGreaterThan(byId.get(id)?.x ?? 0);
      }
    }),
  );
});

test('a circle is cut, not followed for ever', () => {
  expect(layOutPlan([node('a', ['b']), node('b', ['a'])]).nodes).toHaveLength(2);
});
