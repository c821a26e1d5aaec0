// Installs what `npm start` (`start`) or the tests (`test`) need and what is missing. Runs on Node.js 20 and newer.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './find-node.mjs';
import { hasDevelopmentPackages, isInstalled } from './installed.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Programs that only Debian's packages have, and what needs them: `start` or `test`. */
const DEBIAN = [
  { command: 'git', package: 'git', needs: ['start', 'test'], what: 'worktrees' },
  { command: 'chromium', package: 'chromium', needs: ['test'], what: 'the tests of the dashboard' },
  { command: 'bwrap', package: 'bubblewrap', needs: ['test'], what: 'the tests of the sandbox' },
  { command: 'podman', package: 'podman', needs: ['test'], what: 'the tests of containers' },
  { command: 'runc', package: 'runc', needs: ['test'], what: 'podman where control groups are of the old kind' },
  { command: 'strace', package: 'strace', needs: ['test'], what: 'the proof that nothing but loopback is reached' },
];

/** What has a manifest of its own: agent programs, and what the dashboard is built from. */
const PARTS = [
  { what: 'opencode', folder: 'agents/opencode', needs: ['start', 'test'] },
  { what: 'claude', folder: 'agents/claude', needs: ['test'] },
  // Its own copy of Claude Code is left out: the tests name the one above.
  { what: 'the ACP adapter of Claude Code', folder: 'agents/acp', needs: ['test'], args: ['--omit=optional'] },
  { what: 'what the dashboard is built from', folder: 'ui', needs: ['start', 'test'] },
];

/** An unreachable registry is said within a minute; npm's own patience is ten times that. */
const RETRIES = ['--fetch-retries=3', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=8000'];

const goal = process.argv[2];
if (goal !== 'start' && goal !== 'test') fail('usage: node scripts/install.mjs start|test');

installRoot();
for (const part of PARTS) if (part.needs.includes(goal)) installPart(part);
for (const tool of DEBIAN) if (tool.needs.includes(goal)) installTool(tool);
if (findNode(root) === null) {
  fail(
    `Gantry needs Node.js 24 or newer; this is ${process.versions.node}, and none could be installed for this system.`,
  );
}
buildDashboard();

function installRoot() {
  const dev = goal === 'test';
  if (isInstalled(root, { dev })) return;
  // What a developer has installed is not thrown away by a mere `npm start`.
  const isFull = dev || hasDevelopmentPackages(root);
  npm(`installing ${isFull ? 'all packages' : 'packages'}`, root, isFull ? [] : ['--omit=dev']);
}

function installPart({ what, folder, args = [] }) {
  const directory = join(root, folder);
  const optional = !args.includes('--omit=optional');
  if (!isInstalled(directory, { dev: true, optional })) npm(`installing ${what}`, directory, args);
}

function buildDashboard() {
  const result = spawnSync(findNode(root), [join(root, 'scripts', 'build-ui.mjs')], { encoding: 'utf8' });
  if (result.status !== 0) fail(`the dashboard could not be built:\n${lastLines(result)}`);
}

function installTool({ command, package: name, what }) {
  if (isOnPath(command)) return;
  const canInstall = process.platform === 'linux' && process.getuid() === 0 && isOnPath('apt-get');
  if (!canInstall) return say(`${command} is missing (${what}): install ${name} with your system's package manager`);
  say(`installing ${name} (${what})`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', name], { env, encoding: 'utf8' });
  let result = install();
  if (result.status !== 0) {
    spawnSync('apt-get', ['update', '-q'], { env });
    result = install();
  }
  if (result.status !== 0) say(`${name} could not be installed: ${lastLines(result)}`);
}

function npm(what, cwd, args) {
  say(what);
  // The npm that called this script, else the one on PATH.
  const called = process.env.npm_execpath;
  const command = called?.endsWith('.js') ? [process.execPath, called] : ['npm'];
  const [program, ...first] = command;
  const flags = ['--loglevel=error', '--no-fund', '--no-audit', '--no-progress', ...RETRIES];
  const result = spawnSync(program, [...first, 'ci', ...args, ...flags], { cwd, encoding: 'utf8', env: environment() });
  if (result.error) fail(`npm could not be started: ${result.error.message}`);
  if (result.status !== 0) fail(`npm ci failed in ${cwd}:\n${firstLines(result)}`);
}

/** npm sets its own settings for a script: those of the outer call must not reach the inner one. */
function environment() {
  const own = /^npm_(config_(omit|include|prefix|global|dry_run|json)|package_|lifecycle_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((place) => place !== '' && existsSync(join(place, command)));
}

/** npm says first what is wrong, then how it is used. */
function firstLines({ stdout, stderr, signal }) {
  const text = `${stderr}${stdout}`.trim() || `ended by ${signal}`;
  return text.split('\n').slice(0, 15).join('\n');
}

function lastLines({ stdout, stderr, signal }) {
  const text = `${stdout ?? ''}${stderr ?? ''}`.trim() || `ended by ${signal}`;
  return text.split('\n').slice(-20).join('\n');
}

function say(text) {
  process.stderr.write(`gantry: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
