import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { openTestApi, type TestApi } from '../../../test/support/api.ts';
import { followEvents, sampleEvent } from '../../../test/support/events.ts';

/** An agent that waits for its answer as `hitl.py` does: a WebSocket server on a free port. */
async function openAgent() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const frames: string[] = [];
  const first = new Promise<string>((resolve) => {
    server.on('connection', (ws) =>
      ws.on('message', (data) => {
        frames.push(String(data));
        ws.send('thanks');
        resolve(String(data));
      }),
    );
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://localhost:${port}`,
    first,
    frames,
    [Symbol.asyncDispose]: async () => {
      for (const ws of server.clients) ws.terminate();
      server.close();
    },
  };
}

const ask = async (api: TestApi, hitl: Record<string, unknown>, over: Record<string, unknown> = {}) => {
  const humanInTheLoop = { question: 'May I?', type: 'permission', ...hitl };
  const response = await api.post('/events', sampleEvent({ ...over, humanInTheLoop }), { token: 'ingest' });
  return { status: response.status, body: (await response.json()) as { id: number; humanInTheLoopStatus: unknown } };
};
const respond = async (api: TestApi, id: number | string, body: unknown) => {
  const response = await api.post(`/events/${id}/respond`, body, { token: 'approve' });
  return { status: response.status, body: (await response.json()) as Record<string, never> };
};

describe('a question of an outside program', () => {
  it('is answered once, in the inbox and by the API alike, and the answer reaches the program', async () => {
    await using api = await openTestApi();
    await using agent = await openAgent();
    await using client = followEvents(api.url, '/view/read/stream');
    await client.next();
    const payload = { permission_type: 'deploy' };
    const { status, body } = await ask(api, { responseWebSocketUrl: agent.url }, { payload });
    expect([status, body.humanInTheLoopStatus]).toEqual([200, { status: 'pending' }]);
    expect(await client.next()).toMatchObject({ data: { id: body.id, humanInTheLoopStatus: { status: 'pending' } } });
    expect(api.store.read.approvals.list({ state: 'pending' })).toMatchObject([{ foreign: { eventId: body.id } }]);
    const forged = { hookEvent: { payload: { permission_type: 'forged' } }, respondedBy: 'somebody else' };
    const answered = await respond(api, body.id, { permission: true, ...forged });
    expect(answered).toMatchObject({
      status: 200,
      body: { id: body.id, humanInTheLoopStatus: { status: 'responded' } },
    });
    expect(JSON.parse(await agent.first)).toMatchObject({
      permission: true,
      respondedBy: 'token:approve',
      hookEvent: { id: body.id, payload },
    });
    expect((await respond(api, body.id, { permission: false })).status).toBe(409);
    for (;;) {
      const { data } = (await client.next()) as { data: { humanInTheLoopStatus: { delivery: string } } };
      if (data.humanInTheLoopStatus.delivery === 'delivered') break;
    }
    expect(agent.frames).toHaveLength(1);
    const recent = await (await api.send('/events/recent', { token: 'read' })).json();
    expect(recent).toMatchObject([
      { humanInTheLoopStatus: { status: 'responded', delivery: 'delivered', response: { permission: true } } },
    ]);
  });

  it('is denied after its time, for good, and the program that comes for an answer is told', async () => {
    await using api = await openTestApi();
    await using client = followEvents(api.url, '/view/read/stream');
    await client.next();
    const { body } = await ask(api, { timeout: 0.05 }, { payload: { reason: 'none' } });
    await client.next();
    expect(await client.next()).toMatchObject({ data: { id: body.id, humanInTheLoopStatus: { status: 'timeout' } } });
    expect((await respond(api, body.id, { permission: true })).status).toBe(409);
    expect((await api.send(`/in/ingest/events/${body.id}/response`, { token: null })).status).toBe(410);
  });

  it('is answered by the policy at once if the policy knows the command', async () => {
    await using api = await openTestApi();
    await using client = followEvents(api.url, '/view/read/stream');
    await client.next();
    await ask(api, {}, { payload: { tool_name: 'Bash', tool_input: { command: 'git status' } } });
    await client.next();
    expect(await client.next()).toMatchObject({
      data: { humanInTheLoopStatus: { status: 'responded', response: { permission: true } } },
    });
    expect(api.store.read.approvals.list({})).toMatchObject([
      { decidedBy: expect.stringMatching(/^policy:/), cause: 'allowed: once' },
    ]);
  });

  it('is answered whole to the program that comes for it, and kept masked', async () => {
    await using api = await openTestApi();
    const secret = 'ghp_abcdefghijklmnopqrstuv';
    const { body } = await ask(api, { type: 'question', question: 'Which token?' });
    const path = `/in/ingest/events/${body.id}/response`;
    expect((await api.send(path, { token: null })).status).toBe(204);
    expect((await api.send(`/events/${body.id}/response`, { token: 'operate' })).status).toBe(404);
    const waiting = api.send(`${path}?wait=30`, { token: null });
    expect((await respond(api, body.id, { response: secret })).status).toBe(200);
    expect(await (await waiting).json()).toMatchObject({ response: secret, hookEvent: { id: body.id } });
    const [approval] = api.store.read.approvals.list({});
    expect(approval).toMatchObject({ isDelivered: true, foreign: { delivery: 'pulled' } });
    expect(JSON.stringify([approval, api.store.journal.recent(100)])).not.toContain(secret);
  });

  it('refuses answers that do not fit, events that ask nothing and addresses of others', async () => {
    await using api = await openTestApi();
    const choice = await ask(api, { type: 'choice', choices: ['red', 'blue'] });
    expect((await respond(api, choice.body.id, { choice: 'green' })).status).toBe(400);
    expect((await respond(api, choice.body.id, { permission: true })).status).toBe(400);
    expect((await respond(api, choice.body.id, { choice: 'red' })).status).toBe(200);
    const plain = (await (await api.post('/events', sampleEvent(), { token: 'ingest' })).json()) as { id: number };
    expect((await respond(api, plain.id, { permission: true })).status).toBe(409);
    expect(await respond(api, 999, { permission: true })).toMatchObject({
      status: 404,
      body: { error: 'Event not found' },
    });
    for (const url of [
      'ws://example.com:9000',
      'wss://localhost:9000',
      'ws://localhost:80',
      'ws://me:pw@localhost:9000',
      'ws://localhost.evil.example:9000',
      'ws://localhost:4000',
      'http://localhost:9000',
      'ws://169.254.169.254:9000',
    ]) {
      expect([url, (await ask(api, { responseWebSocketUrl: url })).status]).toEqual([url, 400]);
    }
  });
});
