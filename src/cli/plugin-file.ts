import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../contract/errors.ts';
import { runCommand } from '../process/run.ts';

const BUILD_LIMIT_MS = 60_000;

/** The text of the built OpenCode plugin; in the sources it is built on demand. @throws AppError internal */
export async function readPlugin(): Promise<string> {
  const isSource = import.meta.url.endsWith('.ts');
  const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  if (!isSource) return readFileSync(at('../plugin/opencode.js'), 'utf8');
  const file = at('../../node_modules/.cache/gantry/plugin/opencode.js');
  mkdirSync(dirname(file), { recursive: true });
  const { code, stderr } = await runCommand({
    command: [process.execPath, at('../../scripts/build-plugin.mjs'), file],
    cwd: at('../..'),
    env: { PATH: dirname(process.execPath) },
    marker: null,
    limitMs: BUILD_LIMIT_MS,
  });
  if (code !== 0) throw new AppError('internal', `the plugin could not be built: ${stderr}`);
  return readFileSync(file, 'utf8');
}
