import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
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
    expect(await page.title()).toBe('(1) Fleet · Gantry');
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('fleet-asked');
    await card.getByRole('button', { name: /^Allow once ?: echo by-button > a.txt/ }).click();
    await world.over(id);
    await card.waitFor({ state: 'detached' });
    const byPage = world.journal.facts.findLast(({ kind }) => kind === 'approval.changed');

    const again = await world.submitOne([{ run: 'echo by-cli > b.txt' }, { text: 'done' }]);
    await card.getByText('echo by-cli > b.txt', { exact: true }).waitFor();
    const approvalId = (await card.getAttribute('data-approval')) ?? '';
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
});
