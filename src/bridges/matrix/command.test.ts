import { expect, test } from 'vitest';
import { readCommand } from './command.ts';

test.each([
  ['/cancel', { type: 'cancel', target: null, words: '' }],
  ['!cancel tsk_01 it is wrong', { type: 'cancel', target: 'tsk_01', words: 'it is wrong' }],
  ['/PAUSE for lunch', { type: 'pause', target: null, words: 'for lunch' }],
  ['/resume task-01', { type: 'resume', target: 'task-01', words: '' }],
  ['/approve apr_1', { type: 'approve', id: 'apr_1', scope: 'once' }],
  ['/approve apr_1 session', { type: 'approve', id: 'apr_1', scope: 'session' }],
  ['/deny apr_1 never on main', { type: 'deny', id: 'apr_1', words: 'never on main' }],
  ['/answer apr_1 blue\nand green', { type: 'answer', id: 'apr_1', words: 'blue\nand green' }],
  ['/help', { type: 'help', problem: null }],
  ['use the other file', { type: 'text', text: 'use the other file' }],
  ['/tmp/out.log is empty', { type: 'text', text: '/tmp/out.log is empty' }],
  ['> <@bot:x> Asks\n> more\n\n/status', { type: 'status', target: null, words: '' }],
])('%j', (body, command) => {
  expect(readCommand(body)).toEqual(command);
});

test.each([
  '/approve',
  '/approve apr_1 forever',
  '/approve apr_1 session please',
  '/deny apr_1',
  '/answer',
  '/frobnicate',
])('%s is not guessed at', (body) => {
  expect(readCommand(body)).toMatchObject({ type: 'help', problem: expect.any(String) });
});
