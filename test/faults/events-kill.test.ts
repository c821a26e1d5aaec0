import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { allEvents, type EventHome, eventHome } from '../support/event-home.ts';
import { followEvents, sampleEvent } from '../support/events.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const KILLS = 3;
const CONNECTIONS = 16;
/** Acknowledged events of a round before it is broken off. */
const ROUND = 300;

type Told = { readonly type: string; readonly data: { readonly id: number; readonly payload: { readonly n: number } } };

/** A client that goes on with `since` when its stream breaks off. */
function follow(home: EventHome) {
  const told: Told['data'][] = [];
  const others: Told[] = [];
  let isStopped = false;
  const read = async (): Promise<void> => {
    await using client = followEvents(home.url, `${home.viewPath}/stream?since=${told.at(-1)?.id ?? 0}`);
    client.refused.catch(() => undefined);
    for (;;) {
      const message = (await client.next()) as unknown as Told;
      if (message.type === 'event') told.push(message.data);
      else others.push(message);
    }
  };
  const run = async (): Promise<void> => {
    // The stream ends with the daemon; until there is one again, it is refused.
    while (!isStopped) await read().catch(() => new Promise((resolve) => setTimeout(resolve, 50)));
  };
  void run();
  return { told, others, stop: () => (isStopped = true) };
}

it(`keeps every acknowledged event once in ${KILLS} kills under ${CONNECTIONS} connections; a stream goes on`, async () => {
  await using world = await World.make(fake);
  await world.up();
  const home = await eventHome(world);
  const client = follow(home);
  const acknowledged = new Map<number, number>();
  let last = 0;
  const write = async (until: number, kill: () => void): Promise<void> => {
    for (;;) {
      last += 1;
      const n = last;
      const body = JSON.stringify(sampleEvent({ payload: { n } }));
      const answer = await fetch(`${home.url}${home.inPath}/events`, { method: 'POST', body })
        .then(async (response) => ({ status: response.status, event: (await response.json()) as { id: number } }))
        .catch(() => null);
      if (answer === null) return;
      expect(answer.status).toBe(200);
      acknowledged.set(answer.event.id, n);
      if (acknowledged.size >= until) kill();
    }
  };
  for (let round = 0; round < KILLS; round += 1) {
    const until = acknowledged.size + ROUND;
    let killed: Promise<void> | null = null;
    const kill = (): void => {
      killed ??= world.kill();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, () => write(until, kill)));
    await killed;
    await world.up(home.port);
  }
  const kept = (await allEvents(home)) as Told['data'][];
  const byId = new Map(kept.map(({ id, payload }) => [id, payload.n]));
  for (const [id, n] of acknowledged) expect([id, byId.get(id)]).toEqual([id, n]);
  expect(new Set(kept.map(({ payload }) => payload.n)).size).toBe(kept.length);
  await expect.poll(() => client.told.at(-1)?.id, { timeout: 60_000 }).toBe(kept.at(-1)?.id);
  client.stop();
  expect(client.told.map(({ id }) => id)).toEqual(kept.map(({ id }) => id));
  expect(client.others).toEqual([]);
});

it('takes an answer to the program that asked, once, though Gantry was killed with it', async () => {
  await using world = await World.make(fake);
  await world.up();
  const home = await eventHome(world);
  // Its port stays its own: until it is there, whoever connects is refused.
  const agent = new WebSocketServer({ noServer: true });
  let isThere = false;
  const door = createServer().listen(0, '127.0.0.1');
  door.on('upgrade', (request, socket, head) => {
    if (!isThere) return void socket.destroy();
    agent.handleUpgrade(request, socket, head, (ws) => agent.emit('connection', ws, request));
  });
  await once(door, 'listening');
  const { port } = door.address() as AddressInfo;
  const post = async (path: string, body: unknown): Promise<{ readonly id: number }> => {
    const response = await fetch(`${home.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    });
    expect(response.status).toBe(200);
    return (await response.json()) as { readonly id: number };
  };
  const question = { question: 'Which?', type: 'question', responseWebSocketUrl: `ws://127.0.0.1:${port}` };
  const { id } = await post(`${home.inPath}/events`, sampleEvent({ humanInTheLoop: question }));
  await post(`${home.viewPath}/events/${id}/respond`, { response: 'the blue one' });
  await world.kill();
  isThere = true;
  const frames: unknown[] = [];
  agent.on('connection', (ws) => ws.on('message', (data) => frames.push(JSON.parse(String(data)))));
  await world.up(home.port);
  const delivery = async (): Promise<unknown> => {
    const [event] = (await allEvents(home)) as { humanInTheLoopStatus?: { delivery?: string } }[];
    return event?.humanInTheLoopStatus?.delivery;
  };
  await expect.poll(delivery, { timeout: 60_000 }).toBe('delivered');
  for (const ws of agent.clients) ws.terminate();
  door.close();
  expect(frames).toMatchObject([{ response: 'the blue one', hookEvent: { id } }]);
});
