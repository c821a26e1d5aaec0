import { expect, test } from 'vitest';
import { shallowRef } from 'vue';
import { type Fact, NO_SUBJECT } from '../../src/contract/fact.ts';
import { toolTimer } from './tool-times.ts';

const fact = (seq: number, kind: 'tool.started' | 'tool.ended' | 'usage', callId: string, sessionId = 'sess_1'): Fact =>
  ({ ...NO_SUBJECT, seq, at: seq * 10, kind, actor: 'gantry', sessionId, data: { callId } }) as never;

test('a tool took as long as from its own start to its end, and nothing is said where the start is not there', () => {
  const rows = shallowRef([
    fact(1, 'tool.started', 'a'),
    fact(2, 'tool.started', 'a', 'sess_2'),
    fact(4, 'usage', 'a'),
    fact(7, 'tool.ended', 'a'),
    fact(8, 'tool.ended', 'lost'),
    fact(9, 'tool.ended', 'a', 'sess_2'),
  ]);
  const took = toolTimer(rows);
  expect(rows.value.map(took)).toEqual([null, null, null, 60, null, 70]);
  const [, , , ended] = rows.value;
  rows.value = rows.value.slice(3);
  expect(ended && took(ended)).toBe(60);
});
