import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { CLAUDE_ID, fillDatabase, makeDatabase, opencodeSchema, writeTranscript } from '../support/history.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const MESSAGES = 450;

describe.skipIf(!hasChromium)('past conversations in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake);
    const database = join(world.userHome, '.local', 'share', 'opencode', 'opencode.db');
    await makeDatabase(database, opencodeSchema());
    fillDatabase(database, MESSAGES);
    await writeTranscript(world.userHome);
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client, '#/history');
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  const exported = async (page: Page, name: string): Promise<string> => {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name, exact: true }).click();
    return readFile(await (await download).path(), 'utf8');
  };

  test('are listed, opened by keys with all kinds of parts, and exported whole', async () => {
    const { page, faults } = dashboard;
    await page.getByText('2 conversations, newest first').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Claude Code' }).click();
    await page.getByText('1 conversation, newest first').waitFor();
    await page.locator('main').press('j');
    await page.keyboard.press('Enter');
    const talk = page.getByRole('region', { name: 'Messages' });
    await talk.getByText('In config.ts.').waitFor();
    await talk.locator('summary').filter({ hasText: 'Grep' }).click();
    await talk.getByText('config.ts:3').waitFor();
    await talk.getByText('new_kind').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('history');
    expect(await exported(page, 'Markdown')).toContain('Where is the zebra configured?');
    const whole = JSON.parse(await exported(page, 'JSON')) as { session: { id: string }; messages: unknown[] };
    expect(whole).toMatchObject({ session: { id: CLAUDE_ID } });
    expect(faults).toEqual([]);
  });

  test('words are found, and lead to their message in a long conversation', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/history');
    await page.getByText('Choose a conversation').waitFor();
    await page.locator('main').press('/');
    await page.keyboard.type('a needle in the haystack');
    await page.getByText('1 place', { exact: true }).waitFor();
    await page.getByRole('link', { name: /a long talk/ }).click();
    const found = page.locator('[data-message="msg_00000000"]');
    await found.getByText('a needle in the haystack').waitFor();
    await page.getByText(`${MESSAGES} messages`).waitFor();
    await dashboard.shoot('history-found');

    await dashboard.go('#/history/ses_long');
    await page.getByText('200 messages so far').waitFor();
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('400 messages so far').waitFor();
    const markdown = await exported(page, 'Markdown');
    expect(markdown.match(/^## user/gm)).toHaveLength(MESSAGES);
    await dashboard.go('#/history/none');
    await page.getByRole('alert').getByText(/none/).waitFor();
    expect(faults).toEqual([]);
  });
});
