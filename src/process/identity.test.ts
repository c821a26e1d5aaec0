import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { until } from '../base/wait.ts';
import { identityOf, isAlive, psState } from './identity.ts';
import { readProcTable, readPsTable } from './table.ts';

const isLinux = process.platform === 'linux';

test('a running process is alive, and is the same one at every look', () => {
  const identity = identityOf(process.pid);
  if (!identity) throw new Error('this process has no identity');
  expect(isAlive(identity)).toBe(true);
  expect(identityOf(process.pid)).toEqual(identity);
});

test('a process that got the pid of another is not that other', () => {
  expect(isAlive({ pid: process.pid, startTime: '1@another-boot' })).toBe(false);
});

test('a process that has ended is dead and has no identity', async () => {
  const child = spawn('/bin/sh', ['-c', 'exit 0']);
  const identity = identityOf(child.pid ?? 0);
  if (!identity) throw new Error('the child has no identity');
  await once(child, 'exit');
  expect(isAlive(identity)).toBe(false);
  expect(identityOf(identity.pid)).toBeNull();
});

test.runIf(isLinux)('a zombie is dead', async () => {
  // A parent that is stopped takes no notice of the end of its child.
  const parent = spawn('/bin/sh', ['-c', 'tail -f /dev/null & echo $!; wait']);
  const seen = <T>(what: string, look: () => Promise<T | null>): Promise<T> =>
    until(look, { everyMs: 20, limitMs: 60_000 }, () => new Error(`not seen: ${what}`));
  try {
    const [pid] = await once(parent.stdout, 'data');
    parent.kill('SIGSTOP');
    await seen('its stop', async () => / T /.exec(await readFile(`/proc/${parent.pid}/stat`, 'utf8')));
    process.kill(Number(pid), 'SIGKILL');
    const zombie = await seen('the zombie', async () => {
      const found = (await readProcTable()).find((row) => row.pid === Number(pid));
      return found?.isZombie === true ? found : null;
    });
    expect(identityOf(zombie.pid)?.startTime).toBe(zombie.startTime);
    expect(isAlive(zombie)).toBe(false);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});

test.runIf(isLinux)('ps and /proc tell the same family', async () => {
  const self = { pid: process.pid, parent: process.ppid };
  const fromProc = (await readProcTable()).find((row) => row.pid === process.pid);
  const fromPs = (await readPsTable()).find((row) => row.pid === process.pid);
  expect(fromProc).toMatchObject(self);
  expect(fromPs).toMatchObject({ ...self, group: fromProc?.group, isZombie: false });
  expect(psState(process.pid)).toEqual({ ...fromPs });
});

test('ps answers null for a pid that nobody has', () => {
  // One above the largest pid that Linux can give (2^22).
  expect(psState(4_194_305)).toBeNull();
});
