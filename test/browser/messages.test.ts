import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { programFile } from '../support/programs.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const MAIN = programFile('cli/main');

describe.skipIf(!hasChromium)('messages, agents and what holds them up in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake, { budgets: { day: { tokens: 1_000_000 }, task: { usd: 2 } } });
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client);
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('what an agent writes is counted, read, answered and put away, by keys', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/messages');
    await page.getByText('No messages.').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    const { id } = await world.submitOne([
      { run: `'${process.execPath}' '${MAIN}' send person 'Which port shall it be?' --require-daemon` },
      { hold: 'port', text: 'done' },
    ]);
    await page.getByRole('link', { name: 'Messages 1 waits for you' }).waitFor();
    const thread = page.locator('[data-thread]');
    await page.locator('main').press('j');
    await page.keyboard.press('r');
    await thread.getByText('seen', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Messages', exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.keyboard.type('Take 8080.');
    await page.keyboard.press('Control+Enter');
    await thread.locator('[data-message]').getByText('Take 8080.', { exact: true }).waitFor();
    await thread.getByText('replied', { exact: true }).waitFor();
    await dashboard.shoot('messages');
    await world.agent.release('port');
    await world.over(id);
    // The agent got it with its next turn, or will with its next session; never silently nothing.
    const answer = await world.until('the answer', ({ messages }) =>
      [...messages.values()].find(({ text }) => text === 'Take 8080.'),
    );
    expect(answer).toMatchObject({ from: 'person', replyTo: expect.stringMatching(/^mail_/) });
    await thread.getByRole('button', { name: 'Put away' }).click();
    await thread.waitFor({ state: 'detached' });
    await page.getByLabel('those put away too').check();
    await thread.waitFor();
    expect(faults).toEqual([]);
  });

  test('an agent stands by, is written to, told of with all others, and stopped', async () => {
    const { page, faults } = dashboard;
    const { agent } = await world.call('agents.start', { agent: 'mayor', role: 'worker', project: world.project.root });
    await dashboard.go(`#/agents/${encodeURIComponent(agent)}`);
    await page.getByRole('heading', { name: 'mayor', level: 1 }).waitFor();
    const words = world.agent.play({ text: 'All is well.' });
    await page.getByRole('textbox', { name: `A message to ${agent}` }).fill(`How is it? ${words}`);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('All is well.', { exact: true }).waitFor();
    await page.getByRole('article').filter({ hasText: 'Prompt' }).getByText('How is it?').waitFor();
    await page.reload();
    await page.getByRole('article').filter({ hasText: 'Prompt' }).getByText('How is it?').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('agent');
    await page.getByRole('tab', { name: 'messages' }).click();
    await page.locator('[data-thread]').getByText('seen', { exact: true }).waitFor();
    await page.getByRole('tab', { name: 'sessions' }).click();
    await page.getByText('standing', { exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);

    await dashboard.go('#/messages');
    await page.getByRole('button', { name: 'New message' }).click();
    const dialog = page.getByRole('dialog', { name: 'New message' });
    await dialog.getByText('It goes to 2 agents').waitFor();
    await dialog.getByRole('textbox', { name: 'Text' }).fill('Freeze at noon.');
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('new-message');
    await dialog.getByRole('button', { name: 'Send' }).click();
    await dialog.waitFor({ state: 'detached' });
    await world.until('two messages', ({ messages }) => {
      const sent = [...messages.values()].filter(
        ({ text, kind }) => text === 'Freeze at noon.' && kind === 'broadcast',
      );
      return sent.length === 2;
    });
    await dashboard.go(`#/agents/${encodeURIComponent(agent)}`);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('stopped', { exact: true }).first().waitFor();
    expect(faults).toEqual([]);
  });

  test('what waits is in line with its reason, a conflict that is coming is told, and limits with what is reserved', async () => {
    const { page, faults } = dashboard;
    const gate = join(world.root, 'checked');
    const { id } = await world.submitPlan([
      { id: 'T1', acts: [{ write: { path: 'same.txt', content: 'one\n' } }, { hold: 'first', text: 'end' }] },
      {
        id: 'T2',
        acts: [{ write: { path: 'same.txt', content: 'two\n' } }, { text: 'end' }],
        check: `while test ! -e '${gate}'; do sleep 0.05; done`,
      },
      { id: 'T3', acts: [{ text: 'end' }], needs: ['T1'] },
    ]);
    await dashboard.go('#/fleet');
    await page.locator('[data-queued]').getByText('waits for Task T1').waitFor();
    await page.getByRole('heading', { name: 'Conflicts that are coming' }).waitFor();
    await page.getByRole('listitem').getByRole('link', { name: 'T2 Task T2' }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-waiting');

    await dashboard.go('#/cost');
    await page.locator('[data-budget^=day]').getByText('1 M tokens').first().waitFor();
    const task = page.locator('[data-budget^=task]');
    await task.getByText('$2.00').first().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('budgets');
    await writeFile(gate, '');
    await world.agent.release('first');
    await world.over(id);
    await task.first().waitFor({ state: 'detached' });
    expect(faults).toEqual([]);
  });
});
