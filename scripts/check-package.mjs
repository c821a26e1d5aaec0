// Proves the published package: builds it, looks at its metadata, types and files, installs it in an empty folder without
// development packages, and runs it there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './find-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = findNode(root);
if (node === null) throw new Error(`Node.js 24 or newer is needed; this is ${process.versions.node}`);
const env = { ...process.env, PATH: [dirname(node), process.env.PATH ?? ''].join(delimiter) };
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const directory = mkdtempSync(join(tmpdir(), 'gantry-package-'));

/** `gantry --version` of the built program; the goal is for an idle machine, the bound for a busy one. */
const START_GOAL_MS = 80;
const START_BOUND_MS = 400;
/** Kilobytes of the tarball. */
const MAX_SIZE_KB = 1_500;

try {
  run('build', [node, join(root, 'scripts', 'build.mjs')]);
  run('publint', [node, join(root, 'node_modules', 'publint', 'src', 'cli.js'), '--strict']);
  const tarball = pack();
  const attw = join(root, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  run('types', [node, attw, tarball, '--profile', 'esm-only', '--no-emoji']);
  install(tarball);
  runInstalled();
  console.log('package: ok');
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** The list of files: built code and its assets, and the four that every package has. */
function pack() {
  const [packed] = JSON.parse(
    run('pack', ['npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', directory]),
  );
  const paths = packed.files.map(({ path }) => path);
  const beside = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
  const isBuilt = (path) =>
    /^dist\/.+(\.(js|d\.ts|sql|css|html|svg|json)|\/Containerfile)$/.test(path) && !/\.test\./.test(path);
  const surprises = paths.filter((path) => !isBuilt(path) && !beside.includes(path));
  const wanted = [
    ...beside,
    'dist/cli/main.js',
    'dist/daemon/main.js',
    'dist/process/relay.js',
    'dist/hosts/Containerfile',
    'dist/client/client.js',
    'dist/client/client.d.ts',
    'dist/ui/index.html',
    'dist/api/style.css',
    'dist/config.schema.json',
  ];
  const missing = wanted.filter((path) => !paths.includes(path));
  const assets = ['store/migrations', 'models/scripted'];
  const absent = assets.filter(
    (folder) => existsSync(join(root, 'src', folder)) && !paths.some((path) => path.startsWith(`dist/${folder}/`)),
  );
  if (surprises.length > 0) fail(`files that do not belong into the package: ${surprises.join(', ')}`);
  if (missing.length + absent.length > 0) fail(`missing in the package: ${[...missing, ...absent].join(', ')}`);
  if (packed.size > MAX_SIZE_KB * 1024) fail(`the package has ${packed.size} bytes, more than ${MAX_SIZE_KB} kB`);
  console.log(`pack: ${paths.length} files, ${Math.round(packed.size / 1024)} kB`);
  return join(directory, packed.filename);
}

function install(tarball) {
  writeFileSync(join(directory, 'package.json'), '{"name":"empty","private":true}');
  run('install', ['npm', 'install', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error', tarball], {
    cwd: directory,
  });
  const found = run('list', ['npm', 'ls', '--all', '--parseable'], { cwd: directory, mayFail: true });
  const agents = found
    .split('\n')
    .filter((path) => /node_modules\/(opencode-|@anthropic-ai\/claude-code|node$|node-)/.test(path));
  if (agents.length > 0) fail(`the package pulls in agent programs: ${agents.join(', ')}`);
}

/** A new user's first minutes: version, help, a daemon in an empty home. */
function runInstalled() {
  const gantry = join(directory, 'node_modules', '.bin', 'gantry');
  const own = {
    HOME: directory,
    GANTRY_HOME: join(directory, 'home'),
    PATH: env.PATH,
    TMPDIR: tmpdir(),
    LANG: 'C.UTF-8',
  };
  const call = (...args) => run(`gantry ${args.join(' ')}`, [gantry, ...args], { cwd: directory, env: own });
  const version = call('--version').trim();
  if (version !== manifest.version) fail(`gantry --version says "${version}", package.json ${manifest.version}`);
  if (!/^ *run\b/m.test(call('--help'))) fail('gantry --help does not list `run`');
  measureStart(gantry, own);
  try {
    const up = JSON.parse(call('up', '--port', '0', '--json'));
    const status = JSON.parse(call('status', '--json'));
    if (status.pid !== up.pid || status.version !== manifest.version)
      fail(`gantry status says ${JSON.stringify(status)}`);
  } finally {
    call('down', '--json');
  }
  const { status } = spawnSync(gantry, ['status'], { cwd: directory, env: own });
  if (status !== 4) fail(`gantry status without a daemon exits with ${status}, not 4`);
}

function measureStart(gantry, own) {
  const times = Array.from({ length: 11 }, () => {
    const began = performance.now();
    spawnSync(gantry, ['--version'], { env: own });
    return performance.now() - began;
  }).sort((a, b) => a - b);
  const median = Math.round(times[5]);
  console.log(`start: gantry --version takes ${median} ms (goal ${START_GOAL_MS} ms)`);
  if (median > START_BOUND_MS) fail(`gantry --version takes ${median} ms, more than ${START_BOUND_MS} ms`);
}

function run(what, [command, ...args], { cwd = root, env: own = env, mayFail = false } = {}) {
  const result = spawnSync(command, args, { cwd, env: own, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (!mayFail && result.status !== 0) {
    const how = result.error?.message ?? result.signal ?? `exit code ${result.status}`;
    fail(`${what} failed (${how}):\n${result.stdout ?? ''}${result.stderr ?? ''}`);
  }
  return result.stdout ?? '';
}

function fail(text) {
  throw new Error(text);
}
