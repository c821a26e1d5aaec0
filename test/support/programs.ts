import { fileURLToPath } from 'node:url';

/**
 * A program of ours by its place below the sources. Tests start what was built of it before their run, which takes half of the
 * processor time; benches, outside of vitest, start the sources, which are always as they are.
 */
export function programFile(name: 'cli/main' | 'backends/fake/agent/main'): string {
  const place = process.env.VITEST ? `../../dist-test/${name}.js` : `../../src/${name}.ts`;
  return fileURLToPath(new URL(place, import.meta.url));
}
