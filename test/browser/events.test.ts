import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const USAGE = { inputTokens: 1_200, outputTokens: 300, reasoningTokens: 0, cacheReadTokens: 500, cacheWriteTokens: 0 };

describe.skipIf(!hasChromium)('events and use in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake, { policy: { rules: [{ action: 'ask', tool: 'bash', pattern: 'rm *' }] } });
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client, '#/events');
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  /** What the list must hold when it has all. */
  const told = (): number => world.journal.facts.filter(({ kind }) => !kind.endsWith('.delta')).length;
  const count = () => dashboard.page.locator('[data-count]');
  /** A fact may still come after the end of what was waited for. */
  const hasAll = () =>
    expect
      .poll(async () => (await count().textContent()) === `${told()} facts`, {
        timeout: LIMIT_MS,
        message: 'all facts',
      })
      .toBe(true);
  const exec = async (steps: readonly object[]): Promise<void> => {
    const prompt = `@@fake ${JSON.stringify(steps)}`;
    const { sessionId } = await world.call('exec.start', { prompt, directory: world.project.root });
    await world.until('its end', ({ sessions }) => sessions.get(sessionId)?.state === 'stopped');
  };

  test('many facts at once are all there, in order, and few of them are in the page', async () => {
    const { page, faults } = dashboard;
    const step = { reasoning: 'thinks', say: 'says', tools: [{ name: 'look' }, { name: 'look' }] };
    const steps = [
      ...Array.from({ length: 100 }, () => step),
      { text: 'needle-in-the-hay', usage: { ...USAGE, costUsd: 0.5 } },
    ];
    await exec(steps);
    await hasAll();
    expect(told()).toBeGreaterThan(500);
    expect(await page.locator('[role=option]').count()).toBeLessThan(100);
    const shown = await page
      .locator('[role=option]')
      .evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('data-seq'))));
    expect(shown).toEqual(shown.toSorted((a, b) => a - b));
    expect(shown.at(-1)).toBe(world.journal.facts.findLast(({ kind }) => !kind.endsWith('.delta'))?.seq);
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-list');
    expect(faults).toEqual([]);
  });

  test('words and patterns find; a pattern that never ends is given up, and the page stays', async () => {
    const { page } = dashboard;
    const search = page.getByRole('searchbox');
    await search.fill('needle-in-the-hay');
    const found = world.journal.facts.filter(
      (fact) => !fact.kind.endsWith('.delta') && JSON.stringify(fact.data).includes('needle-in-the-hay'),
    );
    await page.getByText(`${found.length} facts`, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'regular expression' }).click();
    await search.fill('needle-(in|of)-the-h.y');
    await page.getByText(`${found.length} facts`, { exact: true }).waitFor();
    await search.fill('([');
    await page
      .getByRole('alert')
      .getByText(/Invalid regular expression/)
      .waitFor();
    await search.fill('(.*)*(.*)*(.*)*(.*)*(.*)*never$');
    await page.getByRole('alert').getByText('takes too long').waitFor();
    await search.fill('');
    await hasAll();
    await page.getByRole('button', { name: 'regular expression' }).click();
  });

  test('words are found in the whole journal, page by page, and marked', async () => {
    const { page, faults } = dashboard;
    const search = (q: string) => world.call('facts.search', { q, limit: 200 });
    const head = world.journal.facts.at(-1)?.seq ?? 0;
    const isIndexed = async () => (await search('thinks')).indexedTo >= head || null;
    await until(isIndexed, { everyMs: 50, limitMs: LIMIT_MS }, () => new Error('the index stays behind'));
    const all = await search('thinks');
    expect(all.items.length).toBeGreaterThan(50);
    await page.getByRole('searchbox').fill('thinks');
    await page.getByRole('button', { name: 'Whole journal' }).click();
    await page.getByText('50 facts', { exact: true }).waitFor();
    const further = page.getByRole('button', { name: 'Search further back' });
    for (let shown = 50; shown < all.items.length; shown += 50) {
      await further.click();
      await page.getByText(`${Math.min(shown + 50, all.items.length)} facts`, { exact: true }).waitFor();
    }
    const seqs = await page
      .locator('[data-found]')
      .evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('data-found'))));
    expect(seqs).toEqual(all.items.map(({ fact }) => fact.seq));
    await page.getByRole('searchbox').fill('needle*');
    await page.locator('mark').getByText('needle', { exact: true }).first().waitFor();
    await page.locator('[data-found]').first().click();
    await page.getByRole('complementary').getByText('Session', { exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-found');
    await page.getByRole('searchbox').fill('noWordLikeThis');
    await page.getByText('Nothing that is kept has these words.').waitFor();
    await page.getByRole('searchbox').fill('"');
    await page
      .getByRole('alert')
      .getByText(/expected a word/)
      .waitFor();
    await dashboard.go('#/events');
    await hasAll();
    expect(faults).toEqual([]);
  });

  test('kinds and a session narrow the list, and the address says so', async () => {
    const { page } = dashboard;
    await page.getByText('All kinds').first().click();
    await page.getByLabel('turn.ended').check();
    await page.getByText('1 fact', { exact: true }).waitFor();
    expect(page.url()).toContain('kinds=turn.ended');
    await page.keyboard.press('Escape');
    await page.locator('[role=option]').first().click();
    await page.getByRole('complementary').getByText('Session', { exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-inspector');
    await page.getByRole('button', { name: 'Conversation' }).click();
    await page.getByRole('dialog').getByText('needle-in-the-hay').first().waitFor();
    await page.keyboard.press('Escape');
    await dashboard.go('#/events');
    await hasAll();
  });

  test('held, the list stays as it is and counts what comes; followed, it has all', async () => {
    const { page } = dashboard;
    await page.getByRole('button', { name: 'Following' }).click();
    const held = Number.parseInt((await count().textContent()) ?? '', 10);
    await exec([{ text: 'once more' }]);
    const hasCounted = () => page.getByRole('button', { name: `Held, ${told() - held} new`, exact: true }).isVisible();
    await expect.poll(hasCounted, { timeout: LIMIT_MS }).toBe(true);
    expect(await count().textContent()).toBe(`${held} facts`);
    await page.getByRole('button', { name: 'Held' }).click();
    await hasAll();
  });

  test('lanes and tree show sessions; a question is answered in the list', async () => {
    const { page, faults } = dashboard;
    const { id } = await world.submitOne([
      { run: 'rm -f nothing' },
      { child: true, text: 'of a child' },
      { text: 'done' },
    ]);
    await page.getByRole('option').filter({ hasText: 'approval.changed' }).last().click();
    await page
      .getByRole('complementary')
      .getByRole('button', { name: /^Allow once/ })
      .click();
    await world.over(id);
    await dashboard.go('#/events?view=lanes');
    await page.getByRole('button', { name: 'worker worker-1', exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-lanes');
    await dashboard.go('#/events?view=tree');
    await page.getByText('attempt 1', { exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-tree');
    expect(faults).toEqual([]);
  });

  test('a person’s own agent program: its place in the tree, its conversation as it comes, its cost; a filter is kept', async () => {
    const { page, faults } = dashboard;
    const { token } = await world.call('tokens.create', { name: 'hooks', scope: 'ingest' });
    const tell = async (hook_event_type: string, payload: object): Promise<void> => {
      const event = { source_app: 'my-opencode', session_id: 'ses_mine', hook_event_type, payload, model_name: 'a/b' };
      const sent = await fetch(`${world.client.url}/in/${token}/events`, {
        method: 'POST',
        body: JSON.stringify(event),
      });
      expect(sent.status).toBe(200);
    };
    await tell('UserPromptSubmit', { prompt: 'Mend the gate, please.' });
    await tell('ToolRequested', { tool: 'bash', call_id: 'c', tool_input: { command: 'ls gate' } });
    await dashboard.go('#/events?view=tree');
    const branch = page.getByRole('listitem').filter({ hasText: 'my-opencode: Mend the gate' });
    await branch.getByText('busy', { exact: true }).waitFor();
    await branch.getByRole('button', { name: 'Conversation' }).click();
    const talk = page.getByRole('dialog', { name: 'Conversation' });
    await talk.getByText('Mend the gate, please.').waitFor();
    await tell('ToolCompleted', {
      tool: 'bash',
      call_id: 'c',
      tool_input: { command: 'ls gate' },
      tool_response: 'hinge',
    });
    const tokens = { input: 700, output: 300, reasoning: 0, cache: { read: 0, write: 0 } };
    await tell('AssistantMessage', { text: 'The hinge was loose.', tokens, cost_usd: 0.02 });
    await tell('Stop', { last_assistant_message: 'The hinge was loose.' });
    await talk.getByText('The hinge was loose.').waitFor();
    await talk.getByText('1 k tokens · cost $0.02').waitFor();
    expect(await talk.getByText('The hinge was loose.').count()).toBe(1);
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-outside');
    await page.keyboard.press('Escape');
    await branch.getByText('idle', { exact: true }).waitFor();
    await branch.getByText('cost $0.02').waitFor();
    await branch.getByRole('button', { name: /^Only this/ }).click();
    await page.getByText('5 facts', { exact: true }).waitFor();

    await page.locator('summary').filter({ hasText: 'Filters' }).click();
    await page.getByRole('textbox', { name: 'Name of what is shown now' }).fill('My gate');
    await page.keyboard.press('Enter');
    await page.locator('summary').filter({ hasText: 'My gate' }).waitFor();
    await dashboard.go('#/events');
    await hasAll();
    await page.locator('summary').filter({ hasText: 'Filters' }).click();
    expect(await axeProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'My gate', exact: true }).click();
    await page.getByText('5 facts', { exact: true }).waitFor();
    expect(faults).toEqual([]);
  });

  test('a replay shows what came, in its order, and asks the daemon for nothing', async () => {
    const { page } = dashboard;
    await dashboard.go('#/events');
    await hasAll();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.getByText('1 fact', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'One fact on' }).click();
    await page.getByText('2 facts', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Next question or error' }).click();
    const index = world.journal.facts
      .filter(({ kind }) => !kind.endsWith('.delta'))
      .findIndex(({ kind }) => kind === 'approval.changed');
    await page.getByText(`${index + 1} facts`, { exact: true }).waitFor();
    await page.getByLabel('Speed').selectOption('4');
    await page.getByRole('button', { name: 'Play' }).click();
    await page.getByText(`${told()} facts`, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Play' }).waitFor();
    expect(asked).toEqual([]);
    await dashboard.shoot('events-replay');
    await page.getByRole('button', { name: 'Back to now' }).click();
  });

  test('use is summed up, and what has no price is told', async () => {
    const { page, faults } = dashboard;
    await exec([{ text: 'unpriced', usage: { ...USAGE, costUsd: null } }]);
    await dashboard.go('#/cost');
    await page.getByText('≥ $0.50, 1 session unpriced').first().waitFor();
    await page.getByRole('cell', { name: '4 k', exact: true }).first().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('cost');
    expect(faults).toEqual([]);
  });

  test('newest facts that are long, and so are few in a page, are not taken for all', async () => {
    await exec(Array.from({ length: 130 }, () => ({ bigLine: 65_000 })));
    const { items, isCut } = await world.call('facts.list', { recent: 1_000 });
    expect([items.length < 200, isCut]).toEqual([true, true]);
    await dashboard.go('#/events?kinds=text');
    const texts = world.journal.facts.filter(({ kind }) => kind === 'text').length;
    expect(texts).toBeGreaterThan(230);
    await dashboard.page.getByText(`${texts} facts`, { exact: true }).waitFor();
  });
});
