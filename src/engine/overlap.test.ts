import { expect, it } from 'vitest';
import { startEngine } from '../../test/support/engine.ts';
import { makeRepository } from '../../test/support/repository.ts';
import { tempDir } from '../../test/support/temp.ts';
import type { Caller } from '../contract/caller.ts';
import { isRequestOver } from '../contract/request.ts';

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
