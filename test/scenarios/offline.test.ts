import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { cliCommand, cliEnvironment } from '../support/cli.ts';
import { tempDir } from '../support/temp.ts';

/** Absent, or forbidden in a strict container. */
const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
/** A failure bound: the whole demo, traced, on a loaded machine. */
const LIMIT_MS = 240_000;
/** Every call that can name an address; a question to a name server is one of them. */
const CALLS = 'connect,sendto,sendmsg,sendmmsg';
const ADDRESS = /sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"/g;
/** The system's resolver asks for others. */
const RESOLVER = /sa_family=AF_UNIX.*resolve/;

const isLoopback = (address: string): boolean =>
  isIPv6(address) ? /^(::1|::ffff:127\..*)$/.test(address) : address.startsWith('127.');

describe.skipIf(!canTrace)(`the network${canTrace ? '' : ' (strace cannot be used)'}`, () => {
  it('is not touched by the demo and all that it starts: only loopback is', { timeout: LIMIT_MS }, async () => {
    await using home = await tempDir();
    await using temporary = await tempDir();
    const trace = join(home.path, 'trace');
    const options = ['-f', '--seccomp-bpf', '-qq', '-e', `trace=${CALLS}`, '-e', 'signal=none', '-o', trace];
    const { stdout } = await promisify(execFile)('strace', [...options, ...cliCommand('demo', '--json')], {
      cwd: temporary.path,
      env: cliEnvironment({ home: home.path, env: { TMPDIR: temporary.path } }),
      timeout: LIMIT_MS,
    });
    expect(JSON.parse(stdout)).toMatchObject({ state: 'done', isOnDisk: true });

    const lines = (await readFile(trace, 'utf8')).split('\n');
    const found = lines.flatMap((line) =>
      [...line.matchAll(ADDRESS)].map(([, port = '', address = '']) => ({ port, address, line })),
    );
    expect(found.filter(({ address }) => !isLoopback(address)).map(({ line }) => line)).toEqual([]);
    expect(lines.filter((line) => RESOLVER.test(line))).toEqual([]);
    // Daemon, agent program and model have all been seen.
    expect(new Set(found.map(({ port }) => port)).size).toBeGreaterThanOrEqual(3);
  });
});
