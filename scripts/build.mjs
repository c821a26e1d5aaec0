// Builds dist/ from src/: the library (client and contract) as it is, with types; the programs; the dashboard.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPrograms } from './build-programs.mjs';
import { findNode } from './find-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(findNode(root) ?? process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

await buildPrograms(dist);
const page = spawnSync(findNode(root) ?? process.execPath, [join(root, 'scripts', 'build-ui.mjs'), join(dist, 'ui')], {
  stdio: 'inherit',
});
if (page.status !== 0) process.exit(1);
cpSync(join(root, 'docs', 'config.schema.json'), join(dist, 'config.schema.json'));
chmodSync(join(dist, 'cli', 'main.js'), 0o755);
