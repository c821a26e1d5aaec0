import { expect, test } from 'vitest';
import { daemonLogLines, logRecord } from './daemon-log.ts';
import { plainPaint } from './output.ts';

const at = new Date(2026, 0, 2, 3, 4, 5);

test('a line of the log is told in words', () => {
  const line = JSON.stringify({ level: 30, time: at.toISOString(), pid: 7, recovered: [], msg: 'started' });
  expect(daemonLogLines(line, plainPaint)).toEqual(['03:04:05 info  started pid=7 recovered=[]']);
});

test('the trace of an error stands below it', () => {
  const line = JSON.stringify({ level: 50, time: at.toISOString(), err: 'Error: no\n    at x', msg: 'failed' });
  expect(daemonLogLines(line, plainPaint)).toEqual(['03:04:05 error failed', '  Error: no', '      at x']);
});

test('what is no record stays as it is, without control characters', () => {
  expect(daemonLogLines('Killed \u001b[2J', plainPaint)[0]).not.toContain('\u001b');
  expect(logRecord('Killed')).toBe('Killed');
  expect(daemonLogLines('{"level":30}', plainPaint)).toEqual(['{"level":30}']);
});
