import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { opencodeBench, scriptedPrompt } from '../../test/support/opencode.ts';
import { until } from '../base/wait.ts';
import { History } from './history.ts';

const LIMIT_MS = 30_000;

test('what OpenCode is writing can be read while it writes, and is whole when it has', async () => {
  await using bench = await opencodeBench();
  const live = await bench.open(bench.backend());
  const { nativeId } = live.session;
  const files = await readdir(bench.root, { recursive: true });
  const database = files.find((file) => file.endsWith('opencode.db'));
  const history = new History({
    environment: { HOME: bench.userHome, OPENCODE_DB: join(bench.root, database ?? 'none') },
    home: bench.root,
    projects: () => [],
  });
  const messages = async () => (await history.messages(nativeId, { after: null, limit: 100 })).items;
  const bash = { name: 'bash', input: { command: 'echo from the tool', description: 'd' } };
  const steps = [{ tools: [bash] }, { hold: 'later', reasoning: 'a thought', text: 'the last words' }];
  const { prompt } = await live.send(scriptedPrompt(...steps));
  const tool = await until(
    async () =>
      (await messages())
        .flatMap(({ parts }) => parts)
        .find((part) => part.type === 'tool' && part.status === 'completed') ?? null,
    { everyMs: 50, limitMs: LIMIT_MS },
    () => new Error('the tool was not seen in the database'),
  );
  expect(tool).toMatchObject({ tool: 'bash', input: { command: 'echo from the tool' } });
  bench.model.release('later');
  await live.end(prompt);
  const whole = await messages();
  expect(whole.map(({ role }) => role)).toEqual(['user', 'assistant', 'assistant']);
  const kinds = whole.flatMap(({ parts }) => parts.map(({ type }) => type));
  expect(kinds).toEqual(expect.arrayContaining(['text', 'tool', 'reasoning', 'step']));
  expect(whole[1]?.parts).toContainEqual(expect.objectContaining({ status: 'completed', output: 'from the tool\n' }));
  const { session } = await history.messages(nativeId, { after: null, limit: 1 });
  expect(session.usage?.costUsd).toBeGreaterThan(0);
  const { items } = await history.search({ text: 'THE LAST words', limit: 5 });
  expect(items).toContainEqual(expect.objectContaining({ sessionId: nativeId }));
});
