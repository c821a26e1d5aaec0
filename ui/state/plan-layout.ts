export type PlanNode = {
  readonly id: string;
  readonly label: string;
  readonly title: string;
  readonly state: string;
  readonly dependsOn: readonly string[];
};
export type Placed = PlanNode & { readonly x: number; readonly y: number };
export type PlanLayout = {
  readonly nodes: readonly Placed[];
  /** SVG paths from a task to one that waits for it. */
  readonly edges: readonly { readonly key: string; readonly path: string; readonly isOpen: boolean }[];
  readonly width: number;
  readonly height: number;
};

export const NODE_WIDTH = 208;
export const NODE_HEIGHT = 62;
const GAP_X = 56;
const GAP_Y = 14;

/** A task stands right of all that it waits for. Tasks of one column keep the plan's order. */
export function layOutPlan(nodes: readonly PlanNode[]): PlanLayout {
  const columns = columnsOf(nodes);
  const rows = new Map<number, number>();
  const placed = nodes.map((node): Placed => {
    const column = columns.get(node.id) ?? 0;
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    return { ...node, x: column * (NODE_WIDTH + GAP_X), y: row * (NODE_HEIGHT + GAP_Y) };
  });
  const byId = new Map(placed.map((node) => [node.id, node]));
  const edges = placed.flatMap((to) =>
    to.dependsOn.flatMap((id) => {
      const from = byId.get(id);
      return from ? [{ key: `${id} ${to.id}`, path: pathOf(from, to), isOpen: from.state !== 'done' }] : [];
    }),
  );
  const tallest = Math.max(1, ...rows.values());
  const widest = Math.max(0, ...columns.values()) + 1;
  return {
    nodes: placed,
    edges,
    width: widest * (NODE_WIDTH + GAP_X) - GAP_X,
    height: tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y,
  };
}

/** The longest way from a task that waits for nothing. A circle, which no plan has, is cut where it closes. */
function columnsOf(nodes: readonly PlanNode[]): Map<string, number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const columns = new Map<string, number>();
  const find = (id: string, above: ReadonlySet<string>): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    const before = (byId.get(id)?.dependsOn ?? []).filter((one) => byId.has(one) && !above.has(one));
    const column = Math.max(-1, ...before.map((one) => find(one, new Set(above).add(one)))) + 1;
    columns.set(id, column);
    return column;
  };
  for (const { id } of nodes) find(id, new Set([id]));
  return columns;
}

function pathOf(from: Placed, to: Placed): string {
  const [x1, y1] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2];
  const [x2, y2] = [to.x, to.y + NODE_HEIGHT / 2];
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2 - 6} ${y2}`;
}
