import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Request } from '../../src/contract/request.ts';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

describe.skipIf(!hasChromium)('the merge queue in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    const gates = [{ name: 'check', command: 'test ! -e bad.txt || { echo bad things; exit 3; }' }];
    // As long as an agent is at work in the project, the line waits for what it will bring.
    world = await World.make(fake, { merge: { approvals: 1, batchWait: 600_000, gates } });
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client);
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  const done = async (words: string, path: string, content: string): Promise<Request> => {
    const { id } = await world.submitOne([{ write: { path, content } }, { text: 'wrote it' }], {}, words);
    return world.over(id);
  };
  /** What the page shows of a request's merge. */
  const row = (words: string) => dashboard.page.locator('[data-merge]').filter({ hasText: words });
  const shows = (words: string, text: string) => row(words).getByText(text, { exact: true }).first().waitFor();
  const press = (words: string, name: string) => row(words).getByRole('button', { name, exact: true }).click();
  const more = (words: string) => press(words, `More of ${words}`);
  const waiting = (count: number, word: string) =>
    dashboard.page.getByRole('link', { name: `Merges ${count} ${word} for you` }).waitFor();

  test('takes a request from its page, with a review by a person', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/merges');
    await page.getByText('No work is on its way').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    const { id } = await done('Add a.', 'a.txt', 'a\n');
    await dashboard.go(`#/requests/${id}`);
    await page.getByText('git merge').waitFor();
    await page.getByRole('button', { name: 'Merge', exact: true }).click();
    await waiting(1, 'waits');
    expect(await page.getByRole('button', { name: 'Merge', exact: true }).count()).toBe(0);
    await page.getByText('reviewing', { exact: true }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.getByRole('link', { name: 'in the queue' }).click();

    const ask = row('Add a.').getByRole('button', { name: 'Ask for changes' });
    await ask.waitFor();
    expect(await ask.isDisabled()).toBe(true);
    await page.getByRole('textbox', { name: 'Your review' }).fill('Give it a better name.');
    await ask.click();
    await shows('Add a.', 'rejected');
    await row('Add a.').getByText('Give it a better name.').last().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await press('Add a.', 'Retry');
    await shows('Add a.', 'reviewing');
    await press('Add a.', 'Approve');
    await shows('Add a.', 'merged');
    expect(faults).toEqual([]);
  });

  test('tells the place in line, what a gate said, and takes out what a person withdraws', async () => {
    const { page, faults } = dashboard;
    const bad = await done('Add bad things.', 'bad.txt', 'bad\n');
    const next = await done('Add b.', 'b.txt', 'b\n');
    const { id: busy } = await world.submitOne([{ hold: 'line', text: 'done' }], {}, 'Be at work.');
    await world.task(busy, 'T1', 'working');
    for (const { id } of [bad, next]) expect(await world.gantry(['merge', 'add', id])).toMatchObject({ code: 0 });
    await waiting(2, 'wait');
    for (const words of ['Add bad things.', 'Add b.']) {
      await more(words);
      await press(words, 'Approve');
      await shows(words, 'queued');
    }
    await shows('Add bad things.', '1');
    await shows('Add b.', '2');
    await dashboard.shoot('merges-line');

    await world.agent.release('line');
    await shows('Add b.', 'merged');
    await shows('Add bad things.', 'rejected');
    await waiting(1, 'waits');
    await more('Add bad things.');
    await row('Add bad things.').getByText('ended with exit code 3').waitFor();
    await row('Add bad things.')
      .getByRole('region', { name: 'Output of the gate check' })
      .getByText('bad things')
      .waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('merges-rejected');
    await press('Add bad things.', 'Withdraw');
    await shows('Add bad things.', 'withdrawn');
    expect(await world.project.git(['show', 'main:b.txt'])).toBe('b');
    expect(await world.project.git(['ls-tree', '--name-only', 'main'])).not.toContain('bad.txt');
    expect(faults).toEqual([]);
  });

  test('names the files of a conflict and the request that resolves it', async () => {
    const { page, faults } = dashboard;
    const { id } = await world.submitOne(
      [{ hold: 'go', write: { path: 'same.txt', content: 'one\n' } }],
      {},
      'Say one.',
    );
    const first = await done('Say two.', 'same.txt', 'two\n');
    await world.agent.release('go');
    await world.over(id);
    for (const [request, words] of [
      [first.id, 'Say two.'],
      [id, 'Say one.'],
    ] as const) {
      await world.call('merges.add', { requestId: request });
      await more(words);
      await press(words, 'Approve');
      if (words === 'Say two.') await shows(words, 'merged');
    }
    await row('Say one.').getByText('same.txt', { exact: true }).waitFor();
    // The script does not say how to resolve it: the request ends without a change, and a person is asked.
    await shows('Say one.', 'rejected');
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('merges-conflict');
    await row('Say one.').getByRole('link', { name: 'The request that resolves the conflict' }).click();
    await page.getByRole('heading', { name: /^Resolve the merge conflict in same.txt/, level: 1 }).waitFor();
    await dashboard.go(`#/requests/${first.id}`);
    await page.getByText('merged', { exact: true }).waitFor();
    expect(await page.getByText('git merge').count()).toBe(0);
    expect(faults).toEqual([]);
  });
});
