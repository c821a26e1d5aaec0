import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startEngine } from '../../../test/support/engine.ts';
import { makeRepository } from '../../../test/support/repository.ts';
import { environmentFor, tempDir } from '../../../test/support/temp.ts';
import { until } from '../../base/wait.ts';
import type { Caller } from '../../contract/caller.ts';
import { isRequestOver } from '../../contract/request.ts';

const person: Caller = { actor: 'person', scope: 'admin', agent: null };

const work = (path: string, content: string, ...rest: readonly object[]): string =>
  `Do it. @@fake ${JSON.stringify([{ write: { path, content } }, ...rest])}`;

async function bench() {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir());
  const repo = stack.use(await makeRepository());
  const test = stack.use(await startEngine({ home: home.path }));
  const submit = async (text: string) => {
    const input = { text, project: repo.root, isDirtyAllowed: false, options: { isSingleTask: true } };
    return (await test.engine.submit(input, person)).id;
  };
  const mailFor = (name: string) => test.store.read.messages.list({ to: `project/worker/${name}` });
  const overlaps = () => test.engine.queries.alerts().filter(({ key }) => key.startsWith('overlap:'));
  return { test, submit, mailFor, overlaps, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

it('two agents who change the same lines are told before it is a conflict, and the alert ends with one of them', async () => {
  await using bed = await bench();
  const { test, submit, mailFor, overlaps } = bed;
  const first = await submit(work('same.txt', 'one\n', { hold: 'first' }));
  const second = await submit(work('same.txt', 'two\n', { hold: 'second' }));
  const isWritten = () => test.store.journal.since(0, { kinds: ['tool.ended'], limit: 1_000 }).facts.length === 2;
  await test.until('both to have written', isWritten);
  await test.release('second');
  const alert = await test.until('the alert', () => overlaps()[0]);
  expect(alert.text).toContain('same.txt');
  expect(mailFor('worker-1')).toMatchObject([
    { from: 'gantry', text: expect.stringContaining('project/worker/worker-2') },
  ]);
  expect(mailFor('worker-2')).toMatchObject([
    { from: 'gantry', text: expect.stringContaining('project/worker/worker-1') },
  ]);
  await test.release('first');
  for (const id of [first, second]) await test.until(id, () => isRequestOver(test.store.read.requests.need(id).state));
  await test.until('the end of the alert', () => overlaps().length === 0);
});

it('nobody is told of work that does not conflict', async () => {
  await using bed = await bench();
  const { test, submit, mailFor, overlaps } = bed;
  const first = await submit(work('one.txt', 'one\n', { hold: 'first' }));
  const second = await submit(work('two.txt', 'two\n'));
  await test.until(second, () => isRequestOver(test.store.read.requests.need(second).state));
  await test.release('first');
  await test.until(first, () => isRequestOver(test.store.read.requests.need(first).state));
  expect(overlaps()).toEqual([]);
  expect(mailFor('worker-1')).toEqual([]);
});

it('a workspace that is as it was is not committed anew after every turn of another', async () => {
  await using scratch = await tempDir();
  const log = await countGit(scratch.path);
  await using bed = await bench();
  const { test, submit } = bed;
  const still = await submit(work('still.txt', 'one\n', { hold: 'still' }));
  const begun = () => test.store.journal.since(0, { kinds: ['tool.ended'], limit: 1_000 }).facts.length === 1;
  await test.until('its file', begun);
  const [attempt] = test.store.read.attempts.list({ state: 'working' });
  const runs = (command: string): number =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${attempt?.workspace} `) && line.includes(` ${command}`)).length;
  const [before, looks] = [runs('commit-tree'), runs('write-tree')];
  const other = await submit(`Wait. @@fake ${JSON.stringify([{ hold: 'turn-0', text: 'over' }])}`);
  await test.until('the other', () => test.store.read.attempts.list({ state: 'working' }).length === 2);
  for (let turn = 0; turn < 3; turn += 1) {
    const text = `Go on. @@fake ${JSON.stringify([{ hold: `turn-${turn + 1}`, text: 'over' }])}`;
    test.engine.send({ to: 'worker-2', text, mode: 'next-turn' }, person);
    await test.release(`turn-${turn}`);
    await until(
      () => runs('write-tree') > looks + turn || null,
      { everyMs: 20, limitMs: 60_000 },
      () => new Error('no look'),
    );
  }
  expect(runs('commit-tree') - before).toBe(1);
  for (const name of ['turn-3', 'still']) await test.release(name);
  for (const id of [still, other]) await test.until(id, () => isRequestOver(test.store.read.requests.need(id).state));
});

/** From now on in this test every git command is written down, with its directory. @returns the file */
async function countGit(directory: string): Promise<string> {
  const { PATH = '' } = environmentFor(directory);
  const git = PATH.split(delimiter)
    .map((at) => join(at, 'git'))
    .find((file) => existsSync(file));
  const log = join(directory, 'git.log');
  await writeFile(log, '');
  await writeFile(join(directory, 'git'), `#!/bin/sh\necho "$PWD $*" >> '${log}'\nexec '${git}' "$@"\n`, {
    mode: 0o700,
  });
  vi.stubEnv('PATH', [directory, PATH].join(delimiter));
  onTestFinished(() => void vi.unstubAllEnvs());
  return log;
}
