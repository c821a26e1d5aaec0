import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);

/** Before the tests of a run: programs and dashboard are as their sources are. What the page is built from is installed by `npm test`. */
export function setup(): void {
  build('build-programs');
  if (existsSync(new URL('ui/node_modules', ROOT))) build('build-ui');
}

function build(name: string): void {
  execFileSync(process.execPath, [fileURLToPath(new URL(`scripts/${name}.mjs`, ROOT))], { stdio: 'inherit' });
}
