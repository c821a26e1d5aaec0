import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** Before the tests of a run: the dashboard is as its sources are. What it is built from is installed by `npm test`. */
export function setup(): void {
  if (!existsSync(new URL('ui/node_modules', ROOT))) return;
  execFileSync(process.execPath, [fileURLToPath(new URL('scripts/build-ui.mjs', ROOT))], { stdio: 'inherit' });
}
