import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StartedAgent } from '../../src/contract/life-operations.ts';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

type Shown = readonly [name: string, numbers: string | null, children: readonly Shown[]];

/** The tree as the page shows it. */
const READ_TREE = `(() => {
  const text = (of, selector) => of.querySelector(':scope > .line > ' + selector)?.textContent ?? null;
  const read = (list) => [...list.children].map((one) => [
    text(one, '.name'), text(one, '.numbers'), one.querySelector(':scope > ul') ? read(one.querySelector(':scope > ul')) : [],
  ]);
  return read(document.querySelector('.tree'));
})()`;

const use = (inputTokens: number, outputTokens: number, costUsd: number | null) => ({
  usage: { inputTokens, outputTokens, reasoningTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd },
});

describe.skipIf(!hasChromium)('the tree of sessions in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake, { policy: { rules: [{ action: 'ask', tool: 'bash', pattern: 'rm *' }] } });
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client, '#/events?view=tree');
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  const tree = (): Promise<readonly Shown[]> => dashboard.page.evaluate(READ_TREE);
  const sum = async (role: string) => {
    const { rows } = await world.call('usage.summary', {});
    const own = rows.filter((row) => row.role === role);
    const of = (key: 'inputTokens' | 'outputTokens' | 'pricedUsd' | 'unpriced' | 'sessions'): number =>
      own.reduce((total, row) => total + row[key], 0);
    const [input, output, unpriced, sessions] = [of('inputTokens'), of('outputTokens'), of('unpriced'), of('sessions')];
    return { input, output, unpriced, sessions, usd: Math.round(of('pricedUsd') * 100) / 100 };
  };

  test('of a program of a person: sub-agents, one below another, a resume, a fork, a model without a price', async () => {
    const { token } = await world.call('tokens.create', { name: 'hooks', scope: 'ingest' });
    const tell = async (session_id: string, model_name: string, ...told: [string, object][]): Promise<void> => {
      const events = told.map(([hook_event_type, payload]) => ({
        source_app: 'mine',
        session_id,
        hook_event_type,
        payload,
        model_name,
      }));
      const body = JSON.stringify(events);
      const sent = await fetch(`${world.client.url}/in/${token}/events`, { method: 'POST', body });
      expect(await sent.json()).toMatchObject({ accepted: told.length });
    };
    const says = (input: number, output: number, cost_usd: number | null, more = {}): [string, object] => {
      const tokens = { input, output, reasoning: 0, cache: { read: 0, write: 0 } };
      return ['AssistantMessage', { text: 'done', tokens, cost_usd, ...more }];
    };
    await tell('main', 'a/priced', ['UserPromptSubmit', { prompt: 'Mend all.' }], says(100, 50, 0.1));
    const below = (parent: string, title: string): [string, object] => [
      'SessionStart',
      { parent_session_id: parent, title },
    ];
    await tell('sub-1', 'a/priced', below('main', 'looks'), says(10, 5, 0.05));
    await tell('sub-2', 'b/unpriced', below('sub-1', 'reads'), says(1_000, 500, null));
    await tell('main', 'a/priced', ['Stop', {}], ['SessionEnd', {}], ['SessionStart', { source: 'resume' }]);
    await tell('main', 'a/priced', says(200, 100, 0.2), ['Stop', {}]);
    await tell('fork', 'a/priced', ['UserPromptSubmit', { prompt: 'Mend it otherwise.' }], says(7, 3, 0.01));

    const { page, faults } = dashboard;
    await page.getByText('10 tokens · cost $0.01', { exact: true }).waitFor();
    expect(await tree()).toEqual([
      ['mine: Mend it otherwise.', '10 tokens · cost $0.01', []],
      [
        'mine: Mend all.',
        '2 k tokens · cost ≥ $0.35, 1 session unpriced',
        [
          [
            'mine: looks',
            '1.5 k tokens · cost ≥ $0.05, 1 session unpriced',
            [['mine: reads', '1.5 k tokens · cost unknown', []]],
          ],
        ],
      ],
    ]);
    expect(await sum('outside')).toEqual({ input: 1_317, output: 658, unpriced: 1, sessions: 4, usd: 0.36 });

    await tell('sub-2', 'b/unpriced', ['SessionError', { error: 'no quota' }], ['Stop', {}]);
    const signs = page.getByText('1 failed below', { exact: true });
    await signs.nth(1).waitFor();
    // Closed, it still says so.
    await page.getByRole('button', { name: 'What belongs to session mine: Mend all.' }).click();
    await signs.nth(1).waitFor({ state: 'detached' });
    expect(await signs.count()).toBe(1);

    // A session has its name once its first prompt is there.
    const names = page.locator('.tree .name');
    const count = await names.count();
    await tell('late', 'a/priced', ['SessionStart', {}]);
    await names.nth(count).waitFor();
    await tell('late', 'a/priced', ['UserPromptSubmit', { prompt: 'Named later.' }]);
    await names.filter({ hasText: /^mine: Named later\.$/ }).waitFor();
    expect(faults).toEqual([]);
  });

  test('of Gantry’s own: a session’s sub-agents, an agent that is stopped, resumed and forked, and their sums', async () => {
    const { page, faults } = dashboard;
    const steps = [
      { child: true, say: 'looks' },
      { child: 'nested', say: 'reads' },
    ];
    const prompt = `@@fake ${JSON.stringify([...steps, { text: 'all is well', ...use(50, 20, 0.5) }])}`;
    const request = await world.submit(`Look around. ${prompt}`, { options: { isSingleTask: true } });
    await world.over(request.id);
    const send = async (to: string, ...step: object[]): Promise<void> => {
      const sent = await world.gantry(['send', to, `@@fake ${JSON.stringify(step)}`, '--json']);
      const { id } = sent.json() as { readonly id: string };
      await world.until('it is seen', ({ messages }) => messages.get(id as never)?.state === 'seen');
    };
    const agent = async (...args: string[]): Promise<StartedAgent> => {
      const done = await world.gantry(['agent', ...args, '--json']);
      expect(done).toMatchObject({ code: 0 });
      return done.json();
    };
    await agent('start', 'mayor', '--role', 'worker');
    await send('mayor', { text: 'one', ...use(100, 10, 0.25) });
    await agent('stop', 'mayor');
    await agent('start', 'mayor');
    await send('mayor', { text: 'two', ...use(200, 20, 0.25) });
    const fork = await agent('fork', 'mayor');
    await send(fork.agent, { text: 'three', ...use(1_000, 500, null) });
    await world.until('what the fork used', ({ sessions }) =>
      [...sessions.values()].some(({ usage }) => usage.inputTokens === 1_000),
    );
    expect(await sum('worker')).toEqual({ input: 1_350, output: 550, unpriced: 1, sessions: 4, usd: 1 });

    await page.getByText('1.5 k tokens · cost unknown').last().waitFor();
    const shown = await tree();
    const look = shown.find(([name]) => name.startsWith('Look around.'));
    const child = (children: readonly Shown[]): Shown => ['a child session', null, children];
    const numbers = '70 tokens · cost $0.50';
    expect(look?.slice(1)).toEqual([
      numbers,
      [[expect.stringMatching(/^T1 /), numbers, [['attempt 1', numbers, [['fake', numbers, [child([child([])])]]]]]]],
    ]);
    const states = page.locator('.line', { hasText: 'a child session' });
    expect(await states.locator('.mark').allTextContents()).toEqual(['done', 'done']);
    // Whatever else the page shows.
    await dashboard.go('#/events?view=tree&kinds=turn.ended');
    await page.getByText('mine: Mend all.').waitFor({ state: 'detached' });
    await page.getByText('a child session', { exact: true }).nth(1).waitFor();
    expect(faults).toEqual([]);
  });

  test('of Gantry’s own: a sub-agent that waits for a person and one that failed, and what is above says so', async () => {
    const { page, faults } = dashboard;
    const steps = [
      { child: true, run: { command: 'rm -f nothing' } },
      { child: true, fail: { class: 'model', message: 'no quota' } },
    ];
    const prompt = `@@fake ${JSON.stringify(steps)}`;
    const { sessionId } = await world.call('exec.start', { prompt, directory: world.project.root });
    const asked = await world.until('its question', ({ approvals }) =>
      [...approvals.values()].find((approval) => approval.sessionId === sessionId && approval.state === 'pending'),
    );
    await dashboard.go('#/events?view=tree');
    const branch = page.locator('.tree > li').filter({ hasText: 'fake, exec' });
    const lines = branch.locator('div.line');
    const marks = (index: number) => lines.nth(index).locator('.mark');
    await lines.nth(1).getByText('waiting approval', { exact: true }).waitFor();
    expect(await marks(0).allTextContents()).toEqual(['waiting approval', '1 waiting below']);
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-sub-agents');
    await world.call('approvals.allow', { id: asked.id, scope: 'once' });
    await lines.nth(2).getByText('failed', { exact: true }).waitFor();
    await lines.nth(0).getByText('1 failed below', { exact: true }).waitFor();
    expect(await marks(1).allTextContents()).toEqual(['done']);
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-sub-agents-failed');
    expect(faults).toEqual([]);
  });
});
