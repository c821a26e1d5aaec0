import { expect, test } from 'vitest';
import { samplePlan, sampleRequest } from '../../../test/support/rows.ts';
import type { Request } from '../../contract/request.ts';
import { conversationLines } from './conversation.ts';

const turn = (text: string, over: Partial<Request> = {}): Request => sampleRequest({ text, ...over });

test('a turn says what was asked and what came of it, as quotations', () => {
  const reply = samplePlan({ tasks: [], reply: 'Which port?' });
  const result = { summary: 'It "listens".', branch: null, commit: null, filesChanged: [] };
  const titles = samplePlan()
    .tasks.map((task) => task.title)
    .join('; ');
  expect(
    conversationLines([
      turn('Now 8080', { state: 'done', plan: samplePlan(), result }),
      turn('Start a server\nfor me', { state: 'done', plan: reply }),
    ]),
  ).toEqual([
    'asked: "Start a server\\nfor me" answered: "Which port?"',
    `asked: "Now 8080" done (tasks: ${JSON.stringify(titles)}): "It \\"listens\\"."`,
  ]);
});

test('a thousand turns: the newest at length, older ones in short, of the rest the number', () => {
  const turns = Array.from({ length: 1_000 }, (_, n) => turn(`turn ${n} ${'x'.repeat(400)}`, { state: 'failed' }));
  const lines = conversationLines(turns);
  expect(lines.join('\n').length).toBeLessThan(5_000);
  expect(lines.at(-1)).toContain(`turn 0 ${'x'.repeat(400)}`);
  expect(lines[1]?.length).toBeLessThan(200);
  expect(lines[0]).toBe(`${1_000 - (lines.length - 1)} earlier turns, not told here`);
});
