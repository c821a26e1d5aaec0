import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { LIMIT_MS } from '../../../test/support/backend-session.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { until } from '../../base/wait.ts';
import { EventStream } from './event-stream.ts';
import { connectHttp } from './http.ts';

/** A server of which each connection is handed to `answer`; and what a stream of it tells. */
async function rigOf(answer: (response: ServerResponse, count: number) => void, clock: Clock = systemClock) {
  let count = 0;
  const server = createServer((_, response) => {
    count += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    answer(response, count);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const http = connectHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, null);
  const told: string[] = [];
  const stream = new EventStream({
    clock,
    open: (signal) => http.open('/event', signal),
    listener: {
      onFrame: (data) => told.push(data.slice(0, 20)),
      onOpen: (isFirst) => told.push(isFirst ? 'first open' : 'open again'),
      onBreak: (cause) => told.push(`break: ${cause}`),
    },
  });
  const sees = (word: string): Promise<true> =>
    until(
      () => (told.some((one) => one.includes(word)) ? true : null),
      { everyMs: 10, limitMs: LIMIT_MS },
      () => new Error(`no "${word}" in: ${told.join('; ')}`),
    );
  return {
    told,
    sees,
    [Symbol.asyncDispose]: async () => {
      await stream.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('after an end or a break the stream is opened anew', async () => {
  await using rig = await rigOf((response, count) => {
    response.write(`data: frame ${count}\n\n`, () => {
      if (count === 1) response.end();
      if (count === 2) response.destroy();
    });
  });
  await rig.sees('frame 3');
  expect(rig.told).toEqual([
    'first open',
    'frame 1',
    'break: the server ended it',
    'open again',
    'frame 2',
    expect.stringMatching(/^break: \w+/),
    'open again',
    'frame 3',
  ]);
});

test('a stream on which nothing comes is opened anew', async () => {
  const hasty: Clock = { now: systemClock.now, after: (ms, fn) => systemClock.after(ms / 200, fn) };
  await using rig = await rigOf((response, count) => {
    response.write(`data: frame ${count}\n\n`);
  }, hasty);
  await rig.sees('frame 2');
  expect(rig.told[2]).toBe('break: nothing came for 30000 ms');
});

test('a frame of 40 MB is not held: the stream goes on behind it', async () => {
  const MEBIBYTE = 'x'.repeat(1024 * 1024);
  await using rig = await rigOf((response, count) => {
    response.write(`data: frame ${count}\n\n`);
    if (count > 1) return;
    response.write('data: ');
    for (let i = 0; i < 40; i += 1) response.write(MEBIBYTE);
  });
  await rig.sees('frame 2');
  expect(rig.told[2]).toMatch(/^break: a frame is larger than \d+ bytes$/);
});

test('a frame of 10 MB is one frame', async () => {
  await using rig = await rigOf((response) => {
    response.write(`data: begin ${'x'.repeat(10 * 1024 * 1024)}\n\n`);
    response.write('data: after\n\n');
  });
  await rig.sees('after');
  expect(rig.told.map((one) => one.slice(0, 5))).toEqual(['first', 'begin', 'after']);
});
