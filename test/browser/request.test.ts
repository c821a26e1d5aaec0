import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { opencode } from '../support/opencode-agent.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

describe.skipIf(!hasChromium).each([fake, opencode])('a request on $name in Chromium', (kind) => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(kind);
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client);
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('is followed from its plan to its work', async () => {
    const { page, faults } = dashboard;
    const { id } = await world.submitPlan([
      {
        id: 'T1',
        acts: [{ write: { path: 'a.txt', content: 'one\ntwo\n' } }, { text: 'wrote a' }],
        check: 'test -s a.txt',
      },
      { id: 'T2', acts: [{ run: 'echo from-the-tool' }, { hold: 'go', text: 'looked around' }] },
      { id: 'T3', acts: [{ text: 'put together' }], needs: ['T1', 'T2'] },
    ]);
    await dashboard.go(`#/requests/${id}`);
    const node = (label: string) => page.getByRole('link', { name: new RegExp(`^${label} `) });
    await node('T3').getByText('blocked').waitFor();
    await node('T1').getByText('done').waitFor();
    await node('T2').click();
    await page.locator('summary').filter({ hasText: 'echo from-the-tool' }).first().waitFor();
    await node('T2').getByText('working').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot(`request-${kind.name}-working`);

    await world.agent.release('go');
    await world.over(id);
    await node('T3').getByText('done').waitFor();
    await page.getByRole('tabpanel').getByText('looked around').last().waitFor();
    await page.getByText('git merge').waitFor();
    await node('T1').click();
    await page.getByRole('tab', { name: 'files' }).click();
    await page.getByText('+two').first().waitFor();
    await page.getByRole('tab', { name: 'checks' }).click();
    await page.getByText('$ test -s a.txt').waitFor({ state: 'attached' });
    await page.getByRole('tab', { name: 'attempts' }).click();
    await page.getByText('Attempt 1', { exact: true }).waitFor();
    await page.getByRole('tab', { name: 'why' }).click();
    await page.getByRole('tabpanel').getByText(/done/).first().waitFor();
    await page.getByRole('tab', { name: 'conversation' }).click();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot(`request-${kind.name}-done`);

    await dashboard.go('#/requests');
    await page.getByRole('link', { name: /Make things/ }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot(`requests-${kind.name}`);
    expect(faults).toEqual([]);
  }, 180_000);
});
