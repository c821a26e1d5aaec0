/** The candidate that a misspelt name most likely meant; null if none is near enough. */
export function nearest(name: string, candidates: readonly string[]): string | null {
  const asked = plain(name);
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: distance(asked, plain(candidate)) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return ranked && ranked.distance <= Math.max(1, Math.floor(asked.length / 3)) ? ranked.candidate : null;
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const found = nearest(name, candidates);
  return found === null ? '' : ` (did you mean "${found}"?)`;
}

/** `max_parallel`, `max-parallel` and `maxParallel` are near. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_\s]/g, '');

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count 1 each. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const steps = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost];
      row.push(Math.min(...steps, ...(isSwap ? [at(i - 2, j - 2) + 1] : [])));
    }
  }
  return at(a.length, b.length);
}
