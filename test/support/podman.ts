import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from './temp.ts';

const run = promisify(execFile);
export const TEST_IMAGE = 'localhost/gantry-test:base';
/** What an image must have for the tests: a shell, git, and a few programs. */
const PROGRAMS = [
  'sh',
  'env',
  'cat',
  'chmod',
  'ln',
  'ls',
  'mkdir',
  'mkfifo',
  'sleep',
  'touch',
  'rm',
  'id',
  'grep',
  'setsid',
  'git',
];
const CONFIG = `[containers]
default_ulimits=["nofile=20000:20000","nproc=8192:8192"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
lock_type="file"
`;

/** A storage of its own for podman, with an image made of this machine's programs: nothing is pulled. */
export type Podman = AsyncDisposable & {
  /** Why it cannot be used here; null if it can. */
  readonly problem: string | null;
  readonly env: Readonly<Record<string, string>>;
};

export async function openPodman(): Promise<Podman> {
  const directory = await tempDir();
  const { path } = directory;
  const storage = join(path, 'storage.conf');
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: path,
    CONTAINERS_CONF: join(path, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: storage,
  };
  const podman = (...args: string[]) => run('podman', args, { env, cwd: path });
  await writeFile(env.CONTAINERS_CONF, CONFIG);
  const places = `graphroot="${path}/storage"\nrunroot="${path}/run"\n`;
  await writeFile(storage, `[storage]\ndriver="overlay"\n${places}`);
  let problem: string | null = null;
  try {
    const root = join(path, 'root');
    await makeRoot(root);
    await run('sh', ['-c', `tar -C "${root}" -c . | podman import -q - ${TEST_IMAGE}`], { env, cwd: path });
    await rm(root, { recursive: true });
    await podman('run', '--rm', '--network', 'none', TEST_IMAGE, 'sh', '-c', 'true');
  } catch (error) {
    problem = `podman cannot be used: ${error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)}`;
  }
  return {
    problem,
    env,
    [Symbol.asyncDispose]: async () => {
      await podman('system', 'reset', '--force').catch(() => undefined);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Directories and programs of this machine, as the root of a small system. */
export async function makeRoot(root: string): Promise<void> {
  for (const name of ['usr/bin', 'tmp', 'proc', 'sys', 'dev', 'etc'])
    await mkdir(join(root, name), { recursive: true });
  await run('chmod', ['1777', join(root, 'tmp')]);
  await run('ln', ['-s', 'usr/bin', join(root, 'bin')]);
  const files = await Promise.all(PROGRAMS.map(async (name) => (await run('which', [name])).stdout.trim()));
  const libraries = new Set(['/usr/lib/x86_64-linux-gnu/libstdc++.so.6', '/usr/lib/x86_64-linux-gnu/libgcc_s.so.1']);
  for (const file of [...files, process.execPath]) {
    const { stdout } = await run('ldd', [file]);
    for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) libraries.add(library);
  }
  for (const file of files) await run('cp', ['-L', file, join(root, 'usr/bin', basename(file))]);
  for (const library of libraries) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await run('cp', ['-L', library, join(root, library)]);
  }
}
