import { lstatSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { AppError } from '../contract/errors.ts';
import { runCommand } from '../process/run.ts';
import type { Host } from './host.ts';
import { type Enclosed, type Enclosure, type WalledOptions, walledHost } from './walled.ts';
import { SYSTEM, type Wall } from './walls.ts';

/** Of /etc what programs need to find users, names, libraries and certificates; none of it is secret. */
const ETC = [
  ...['alternatives', 'bash.bashrc', 'ca-certificates', 'ca-certificates.conf', 'debian_version', 'gitconfig', 'group'],
  ...['host.conf', 'hostname', 'hosts', 'ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'locale.alias', 'localtime'],
  ...[
    'mime.types',
    'nsswitch.conf',
    'os-release',
    'passwd',
    'pki',
    'profile',
    'protocols',
    'services',
    'ssl',
    'terminfo',
  ],
].map((name) => `/etc/${name}`);
/** Namespaces of its own; the tree ends with its first process, and that with the daemon. */
const SEPARATE = [
  ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
  ...['--disable-userns', '--die-with-parent', '--cap-drop', 'ALL', '--hostname', 'sandbox'],
];
const SCRATCH_BYTES = String(1024 * 1024 * 1024);
const PROBE_LIMIT_MS = 10_000;

/** Programs of this machine behind the walls of bubblewrap (Linux; tested with 0.8.0). */
export function sandboxHost(options: WalledOptions): Host {
  return walledHost('sandbox', options, (inner) => enclose(inner, options.environment.PATH ?? ''));
}

/** Why there can be no sandbox here, with the remedy; null if there can. */
export async function sandboxProblem(path: string): Promise<string | null> {
  if (process.platform !== 'linux') return 'a sandbox needs Linux: bubblewrap runs nowhere else';
  const command = ['bwrap', ...SEPARATE, ...systemOf(), '--proc', '/proc', '--', '/usr/bin/env', 'true'] as const;
  try {
    const env = { PATH: path };
    const { code, stderr } = await runCommand({ command, cwd: tmpdir(), env, marker: null, limitMs: PROBE_LIMIT_MS });
    if (code === 0) return null;
    return `bubblewrap cannot make a sandbox here (${stderr.trim() || `exit code ${code}`}): user namespaces may be turned off (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)`;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'spawn_failed') throw error;
    return 'bubblewrap is not installed: install the package bubblewrap of your system';
  }
}

function enclose({ walls, cwd, command }: Enclosed, path: string): Enclosure {
  const shown = [...systemOf(), '--proc', '/proc', '--dev', '/dev', '--size', SCRATCH_BYTES, '--tmpfs', '/tmp'];
  const args = [...SEPARATE, ...shown, ...walls.flatMap(argumentsOf), '--remount-ro', '/', '--chdir', cwd];
  return { command: ['bwrap', ...args, '--', ...command], env: { PATH: path } };
}

const ARGUMENT = { readable: '--ro-bind', writable: '--bind' } as const;

const argumentsOf = ({ path, kind }: Wall): string[] =>
  kind === 'empty' ? ['--size', SCRATCH_BYTES, '--tmpfs', path] : [ARGUMENT[kind], path, path];

/** Where /bin is a link into /usr, it is one in there, too. */
function systemOf(): string[] {
  return [...SYSTEM, ...ETC].flatMap((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) return [];
    return found.isSymbolicLink() && SYSTEM.includes(path)
      ? ['--symlink', readlinkSync(path), path]
      : ['--ro-bind', path, path];
  });
}
