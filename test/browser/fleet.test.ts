import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../src/base/wait.ts';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { bridgeClient } from '../support/mcp.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

describe.skipIf(!hasChromium)('the fleet in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake, { policy: { default: 'ask' } });
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client);
  });
  /** The fact of a request's end, without what differs from one to the other. */
  const cancelFact = async (id: string) => {
    const find = () =>
      world.journal.facts.find(
        (fact) => fact.kind === 'request.changed' && fact.data.row.id === id && fact.data.to === 'cancelled',
      );
    await world.until('the cancellation', () => find() !== undefined);
    const fact = find();
    return fact?.kind === 'request.changed'
      ? { actor: fact.actor, from: fact.data.from, to: fact.data.to, cause: fact.data.cause }
      : null;
  };
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('says what to do where there is nothing, and obeys the policy', async () => {
    const { page, faults } = dashboard;
    await page.getByText('Nothing waits for an answer').waitFor();
    await page.getByText('Nothing is under way').waitFor();
    await page.getByText('ready', { exact: true }).first().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-empty');
    expect(faults).toEqual([]);
  });

  test('shows what an agent asks, and allows it by button as the CLI would', async () => {
    const { page, faults } = dashboard;
    const { id } = await world.submitOne([{ run: 'echo by-button > a.txt' }, { text: 'done' }]);
    const card = page.locator('[data-approval]');
    await card.getByText('echo by-button > a.txt', { exact: true }).waitFor();
    await expect.poll(() => page.title(), { timeout: LIMIT_MS }).toBe('(1) Fleet · Gantry');
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-asked');
    await card.getByRole('button', { name: /^Allow once ?: echo by-button > a.txt/ }).click();
    await world.over(id);
    await card.waitFor({ state: 'detached' });
    const byPage = world.journal.facts.findLast(({ kind }) => kind === 'approval.changed');

    const again = await world.submitOne([{ run: 'echo by-cli > b.txt' }, { text: 'done' }]);
    await card.getByText('echo by-cli > b.txt', { exact: true }).waitFor();
    const approvalId = (await card.getAttribute('data-approval')) ?? '';
    const { agent } = await world.task(again.id, 'T1', 'working');
    await world.call('messages.send', { to: agent ?? '', text: 'Mind the gap.', mode: 'steer' });
    await dashboard.go(`#/messages/${encodeURIComponent(agent ?? '')}`);
    await page.getByRole('button', { name: 'Mind the gap.' }).click();
    await page.getByText(`the agent waits for an answer to ${approvalId}, and is told nothing before that`).waitFor();
    await dashboard.go('#/fleet');
    expect(await world.gantry(['approve', approvalId])).toMatchObject({ code: 0 });
    await card.waitFor({ state: 'detached' });
    await world.over(again.id);
    const byCli = world.journal.facts.findLast(({ kind }) => kind === 'approval.changed');
    const shape = (fact: typeof byCli) => {
      if (fact?.kind !== 'approval.changed') return null;
      const { from, to, row } = fact.data;
      return { actor: fact.actor, from, to, decidedBy: row.decidedBy, decision: row.decision };
    };
    expect(shape(byPage)).not.toBeNull();
    expect(shape(byPage)).toEqual(shape(byCli));
    expect(faults).toEqual([]);
  });

  test('a change made by the CLI is in the table of agents, and a stop by the page is as one by the CLI', async () => {
    const { page } = dashboard;
    const held = async () => {
      const request = await world.submitOne([{ hold: 'never', text: 'never said' }]);
      await world.task(request.id, 'T1', 'working');
      return request;
    };
    const first = await held();
    const row = page.locator('[data-agent]').filter({ hasText: 'busy' });
    await row.waitFor();
    const agents = (await world.gantry(['agents', '--json'])).json() as readonly {
      readonly name: string;
      readonly activity: string | null;
    }[];
    const working = agents.find(({ activity }) => activity === 'busy');
    expect(await row.getAttribute('data-agent')).toContain(working?.name ?? 'none');
    expect(await world.gantry(['cancel', first.id])).toMatchObject({ code: 0 });
    await row.waitFor({ state: 'detached' });
    const byCli = await cancelFact(first.id);

    const second = await held();
    await dashboard.go(`#/requests/${second.id}`);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await page.getByText('cancelled').first().waitFor();
    expect(await cancelFact(second.id)).toEqual(byCli);
    await dashboard.go('#/fleet');
  });

  test('what waits for a person is told by the system and by voice, once, where they want it', async () => {
    const { page, context, faults } = dashboard;
    await context.grantPermissions(['notifications']);
    await dashboard.go('#/settings');
    await page.getByLabel('Show a notification of the system').check();
    await page.getByLabel('Say it aloud').check();
    // What the browser is given to show and to say is written down, and given to it.
    const told: string[] = [];
    await page.exposeFunction('tell', (words: string) => void told.push(words));
    await page.evaluate(`
      const Shown = window.Notification;
      window.Notification = class extends Shown {
        constructor(title, options) {
          super(title, options);
          window.tell('shown: ' + options.body);
        }
      };
      const speak = speechSynthesis.speak.bind(speechSynthesis);
      speechSynthesis.speak = (words) => {
        window.tell('said: ' + words.text);
        speak(words);
      };
    `);
    const { id } = await world.submitOne([{ run: 'echo aloud > c.txt' }, { text: 'done' }]);
    const limits = { everyMs: 20, limitMs: LIMIT_MS };
    await until(
      () => told.length > 1 || null,
      limits,
      () => new Error(`told: ${told.join('; ')}`),
    );
    await dashboard.go('#/fleet');
    await page.getByRole('button', { name: /^Allow once ?: echo aloud > c.txt/ }).click();
    await world.over(id);
    const words = (how: string) => expect.stringMatching(`^${how}: .* wants to use \\w+: echo aloud > c.txt$`);
    expect(told).toEqual([words('shown'), words('said')]);
    await dashboard.go('#/settings');
    await page.getByLabel('Show a notification of the system').uncheck();
    await page.getByLabel('Say it aloud').uncheck();
    await dashboard.go('#/fleet');
    expect(faults).toEqual([]);
  });

  test('a denial tells the agent why, and a question is answered, by keys alone', async () => {
    const { page, faults } = dashboard;
    const asked = await world.submitOne([
      { run: 'rm -rf everything' },
      { question: { question: 'Which colour?', labels: ['red', 'blue'] } },
      { text: 'done' },
    ]);
    const card = page.locator('[data-approval]');
    await card.getByText('rm -rf everything', { exact: true }).waitFor();
    await page.locator('main').press('d');
    await page.keyboard.type('Not on this machine.');
    await page.keyboard.press('Enter');
    await card.getByText('Which colour?').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-question');
    await card.getByText('blue').click();
    await card.getByRole('button', { name: 'Answer', exact: true }).click();
    await world.over(asked.id);
    await card.waitFor({ state: 'detached' });
    const decisions = world.journal.facts.flatMap((fact) =>
      fact.kind === 'approval.changed' && fact.requestId === asked.id && fact.data.row.decision
        ? [fact.data.row.decision]
        : [],
    );
    expect(decisions).toEqual(
      expect.arrayContaining([
        { type: 'deny', reason: 'Not on this machine.' },
        { type: 'answer', answers: [['blue']] },
      ]),
    );
    expect(faults).toEqual([]);
  });

  test('a key that is held answers one question, and what comes into its place is chosen before it is answered', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/requests');
    await dashboard.go('#/fleet');
    const card = (words: string) => page.locator('[data-approval]').filter({ hasText: words });
    const ids: string[] = [];
    for (const words of ['echo first', 'echo second', 'echo third']) {
      await world.submitOne([{ run: `${words} > held.txt` }, { text: 'done' }]);
      await card(words).waitFor();
      ids.push((await card(words).getAttribute('data-approval')) ?? '');
    }
    await page.keyboard.down('a');
    await card('echo first').waitFor({ state: 'detached' });
    // The browser's repetition, first with nothing chosen, then with the next.
    await page.keyboard.down('a');
    await page.keyboard.press('j');
    await page.keyboard.down('a');
    await page.keyboard.up('a');
    await page.keyboard.press('d');
    await page.keyboard.press('Enter');
    await card('echo second').waitFor({ state: 'detached' });
    await page.keyboard.press('a');
    await page.keyboard.press('k');
    await page.keyboard.press('a');
    await card('echo third').waitFor({ state: 'detached' });
    const { items } = await world.call('approvals.list', { all: 'true' });
    const decided = ids.map((id) => items.find((one) => one.id === id)?.decision?.type);
    expect(decided).toEqual(['allow', 'deny', 'allow']);
    expect(faults).toEqual([]);
  });

  test('what a program asks by the bridge is answered: a file by keys, one of its choices, a permission', async () => {
    const { page, faults } = dashboard;
    await mkdir(join(world.project.root, 'docs'));
    await writeFile(join(world.project.root, 'docs', 'plan.md'), 'first this\n');
    await using bridge = await bridgeClient(world);
    const card = page.locator('[data-approval]');
    const picked = bridge.tool('pick_file', { prompt: 'Which plan?' });
    const field = card.getByRole('combobox', { name: 'A file: Which plan?' });
    await card.getByText('2 files to pick from').waitFor();
    await field.fill('PLAN');
    await card.getByText('1 file to pick from').waitFor();
    await field.press('ArrowDown');
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-file');
    await field.press('Enter');
    await card.getByText('docs/plan.md is picked').waitFor();
    await field.press('Enter');
    expect((await picked).value).toMatchObject({ status: 'answered', path: 'docs/plan.md', answered_by: 'person' });
    await card.waitFor({ state: 'detached' });

    const chosen = bridge.tool('ask_user', { question: 'Which colour?', choices: ['red', 'blue'] });
    await card.getByRole('radio', { name: 'blue' }).check();
    await card.getByRole('button', { name: 'Answer', exact: true }).click();
    expect((await chosen).value).toMatchObject({ status: 'answered', answer: 'blue' });
    await card.waitFor({ state: 'detached' });

    const may = bridge.tool('request_permission', { tool_name: 'Bash', input: { command: 'make world' } });
    await card.getByText('make world', { exact: true }).waitFor();
    await page.locator('main').press('j');
    await page.keyboard.press('d');
    await page.keyboard.type('Not today.');
    await page.keyboard.press('Enter');
    expect((await may).value).toMatchObject({ behavior: 'deny', status: 'denied', reason: 'Not today.' });
    expect(faults).toEqual([]);
  });
});
