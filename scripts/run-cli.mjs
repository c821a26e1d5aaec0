import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './find-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs the CLI from the sources with these arguments, on a Node.js that is new enough; ends as it ends. */
export function runCli(args) {
  const node = findNode(root);
  if (node === null) {
    process.stderr.write(
      `gantry: Node.js 24 or newer is needed; this is ${process.versions.node}: npm start installs one\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [join(root, 'src', 'cli', 'main.ts'), ...args], {
    stdio: 'inherit',
    // Compiled sources are kept: the second start is twice as fast.
    env: {
      NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'),
      ...process.env,
      PATH: searchPath(process.env.PATH ?? ''),
    },
  });
  // A terminal sends Ctrl-C to the whole group: the child has it already, and decides.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`gantry: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

/** What npm installed comes last: a person's own opencode and ripgrep go first. */
function searchPath(path) {
  const packages = join(root, 'agents', 'opencode', 'node_modules');
  const platform = `${process.platform}-${process.arch}`;
  const bundled = [
    { command: 'opencode', directory: join(packages, `opencode-${platform}`, 'bin') },
    { command: 'rg', directory: join(packages, '@vscode', `ripgrep-${platform}`, 'bin') },
  ];
  const missing = bundled.filter(({ command, directory }) => {
    const isOnPath = path.split(delimiter).some((place) => place !== '' && existsSync(join(place, command)));
    return !isOnPath && existsSync(join(directory, command));
  });
  return [...path.split(delimiter), ...missing.map(({ directory }) => directory)].join(delimiter);
}
