import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { hasChromium, openBrowser } from '../support/browser.ts';
import { type EventHome, eventHome } from '../support/event-home.ts';
import { sampleEvent } from '../support/events.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

/** What a page of another program keeps: what its stream said. */
const FOLLOW = (url: string): string => `new Promise((resolve, reject) => {
  window.told = [];
  const ws = new WebSocket(${JSON.stringify(url)});
  ws.onmessage = ({ data }) => { window.told.push(JSON.parse(data)); resolve(window.told[0]); };
  ws.onerror = () => reject(new Error('refused'));
})`;
const ASK = (url: string, method = 'GET', body?: object): string =>
  `fetch(${JSON.stringify(url)}, ${JSON.stringify({
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })}).then(async (answer) => ({ status: answer.status, body: await answer.json() }))`;

type Answer = { readonly status: number; readonly body: unknown };

describe.skipIf(!hasChromium)('a page of another program, on another port, in Chromium', () => {
  let world: World;
  let home: EventHome;
  let browser: Browser;
  let page: Page;
  const site = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'));

  beforeAll(async () => {
    world = await World.make(fake, { policy: { rules: [{ action: 'ask', tool: 'bash', pattern: 'rm *' }] } });
    await world.up();
    home = await eventHome(world);
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    browser = await openBrowser();
    page = await browser.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
  });
  afterAll(async () => {
    await browser?.close();
    site.close();
    await world?.[Symbol.asyncDispose]();
  });

  const post = async (over: object): Promise<{ readonly id: number }> => {
    const body = JSON.stringify(sampleEvent({ ...over }));
    const sent = await fetch(`${home.url}${home.inPath}/events`, { method: 'POST', body });
    expect(sent.status).toBe(200);
    return (await sent.json()) as { readonly id: number };
  };
  const ask = (path: string, method?: string, body?: object): Promise<Answer> =>
    page.evaluate(ASK(`${home.url}${home.viewPath}${path}`, method, body)) as Promise<Answer>;

  test('reads, follows, answers a question so that the agent gets it', async () => {
    const chat = [{ type: 'user', message: { content: 'hello' } }];
    const first = await post({ chat, summary: 'says hello', model_name: 'claude-x' });
    const stream = `${home.url.replace('http', 'ws')}${home.viewPath}/stream`;
    const initial = await page.evaluate(FOLLOW(stream));
    const event = { id: first.id, chat, summary: 'says hello', model_name: 'claude-x' };
    expect(initial).toMatchObject({ type: 'initial', data: [event] });
    expect(await ask('/events/filter-options')).toMatchObject({
      status: 200,
      body: { source_apps: ['demo-app'], session_ids: ['native-1'], hook_event_types: ['PreToolUse'] },
    });

    const agent = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(agent, 'listening');
    const { port } = agent.address() as AddressInfo;
    const frame = new Promise((resolve) => {
      agent.once('connection', (ws) => ws.once('message', (data) => resolve(JSON.parse(String(data)))));
    });
    const responseWebSocketUrl = `ws://localhost:${port}`;
    const payload = { tool_name: 'Bash', tool_input: { command: 'rm x' } };
    const { id } = await post({
      payload,
      humanInTheLoop: { question: 'May I?', type: 'permission', responseWebSocketUrl },
    });
    await page.waitForFunction(`window.told.some(({ type, data }) => type === 'event' && data.id === ${id})`);
    // As the page of the original does: with its own copy of the event, which is not what the agent gets.
    const answer = { permission: true, hookEvent: { id, source_app: 'forged' }, respondedAt: 1 };
    expect(await ask(`/events/${id}/respond`, 'POST', answer)).toMatchObject({
      status: 200,
      body: { id, humanInTheLoopStatus: { status: 'responded', response: { permission: true } } },
    });
    expect(await frame).toMatchObject({ permission: true, hookEvent: { id, source_app: 'demo-app' } });
    for (const ws of agent.clients) ws.terminate();
    agent.close();
    const isAnswered = `({ data }) => data.id === ${id} && data.humanInTheLoopStatus?.status === 'responded'`;
    await page.waitForFunction(`window.told.some(${isAnswered})`);
    expect(await ask(`/events/${id}/respond`, 'POST', answer)).toMatchObject({ status: 409 });

    expect(await ask('/api/themes?isPublic=true')).toMatchObject({ status: 200, body: { success: true, data: [] } });
  });

  test('gets nothing by a token that is none, and nothing beyond its routes', async () => {
    const bad = await page.evaluate(ASK(`${home.url}/view/none/events/recent`));
    expect(bad).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(await ask('/api/v1/status')).toMatchObject({ status: 404 });
    // The API itself knows no other site: a browser does not even hand out its refusal.
    await expect(page.evaluate(ASK(`${home.url}/api/v1/status`))).rejects.toThrow('Failed to fetch');
    await expect(page.evaluate(FOLLOW(`${home.url.replace('http', 'ws')}/api/v1/stream`))).rejects.toThrow('refused');
  });
});
