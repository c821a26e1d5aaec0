import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { LIMIT_MS } from '../support/journal-watch.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

/** Of somebody's own; every text has at least 4.5 to 1. */
const PAPER = {
  primary: '#7a3b00',
  primaryHover: '#5c2c00',
  primaryLight: '#f3e3cf',
  primaryDark: '#402000',
  bgPrimary: '#fbf6ea',
  bgSecondary: '#fffdf6',
  bgTertiary: '#f4ecda',
  bgQuaternary: '#eadfc8',
  textPrimary: '#2b2118',
  textSecondary: '#46382a',
  textTertiary: '#5a4a39',
  textQuaternary: '#5a4a39',
  borderPrimary: '#e0d3b8',
  borderSecondary: '#cbbb9b',
  borderTertiary: '#8d7c5f',
  accentSuccess: '#2f5d1e',
  accentWarning: '#7a4a00',
  accentError: '#a32014',
  accentInfo: '#1f4f80',
  shadow: 'rgba(60, 40, 10, 0.1)',
  shadowLg: 'rgba(60, 40, 10, 0.2)',
  hoverBg: '#f6efdf',
  activeBg: '#f1e2c4',
  focusRing: '#7a3b00',
};

describe.skipIf(!hasChromium)('the connection in Chromium', () => {
  let world: World;
  let browser: Browser;
  let dashboard: DashboardPage;

  beforeAll(async () => {
    world = await World.make(fake);
    await world.up();
    browser = await openBrowser();
    dashboard = await DashboardPage.open(browser, world.client, '#/events');
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('names every page on a phone, without scrolling', async () => {
    const { page } = dashboard;
    await page.setViewportSize({ width: 320, height: 640 });
    const widths = await page
      .getByRole('navigation')
      .evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    expect(widths.scrollWidth).toBe(widths.clientWidth);
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  test('goes on over a restart of the daemon without a gap and without a fact twice', async () => {
    const { page, faults } = dashboard;
    const port = Number(new URL(world.client.url).port);
    await world.over((await world.submitOne([{ text: 'before' }])).id);
    await world.kill();
    await page.getByText('Reconnecting').waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('reconnecting');
    await world.up(port);
    await world.over((await world.submitOne([{ text: 'after' }])).id);
    await world.settled();
    const all = () => world.journal.facts.filter(({ kind }) => !kind.endsWith('.delta'));
    const hasAll = async () => (await page.locator('[data-count]').textContent()) === `${all().length} facts`;
    await expect.poll(hasAll, { timeout: LIMIT_MS, message: 'all facts' }).toBe(true);
    const told = all();
    await page.getByText('Live', { exact: true }).waitFor();
    // From the end to the beginning: each fact of the journal is in the list once.
    const seen = new Set<number>();
    const list = page.getByRole('listbox');
    for (let at = 0; seen.size < told.length && at <= told.length * 30; at += 240) {
      await list.evaluate((element, top) => {
        element.scrollTop = top;
      }, at);
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
      const rows = await page
        .locator('[role=option]')
        .evaluateAll((all) => all.map((row) => Number(row.getAttribute('data-seq'))));
      expect(new Set(rows).size).toBe(rows.length);
      for (const seq of rows) seen.add(seq);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(told.map(({ seq }) => seq));
    expect(faults).toEqual([]);
  });

  test('is refused without a login, from a foreign page and under a foreign name', async () => {
    const { url } = world.client;
    const stranger = await browser.newContext();
    const page = await stranger.newPage();
    expect((await page.goto(url))?.status()).toBe(401);
    await page.getByText('gantry open').first().waitFor();
    expect(await axeProblems(page)).toEqual([]);
    expect((await stranger.request.get(`${url}/api/v1/view`)).status()).toBe(401);
    const cookies = dashboard.context.request;
    const body = { headers: { origin: 'http://127.0.0.1:1' }, data: { to: 'a/b/c', text: 'x' } };
    expect((await cookies.post(`${url}/api/v1/messages`, body)).status()).toBe(403);
    expect((await cookies.get(`${url}/api/v1/view`, { headers: { host: 'gantry.example:80' } })).status()).toBe(403);
    // A socket of a foreign page has that page's origin, which the browser itself sends.
    const ended = await page
      .evaluate(
        (address) =>
          new Promise((resolve) => {
            const socket = new WebSocket(address);
            socket.addEventListener('open', () => resolve('open'));
            socket.addEventListener('close', () => resolve('refused'));
          }),
        `${url.replace('http', 'ws')}/api/v1/stream`,
      )
      .catch(() => 'refused by the policy of the page');
    expect(ended).toMatch(/refused/);
    await stranger.close();
  });

  test('settings are kept: a theme of one’s own is made, exported, imported', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/settings');
    expect(await axeProblems(page)).toEqual([]);
    await page.getByLabel('High contrast').check();
    expect(await page.locator('html').getAttribute('data-theme')).toBe('contrast');
    expect(await axeProblems(page)).toEqual([]);
    await page.getByRole('button', { name: 'Begin with what is shown' }).click();
    await page.locator('input[type=color]').first().fill('#123456');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export' }).click();
    const file = await (await download).path();
    await page.locator('input[type=color]').first().fill('#654321');
    await page.locator('input[type=file]').setInputFiles({
      name: 'bad.json',
      mimeType: 'application/json',
      buffer: Buffer.from(
        '{"version":"1","theme":{"name":"x","displayName":"x","colors":{"primary":"url(http://a)"}}}',
      ),
    });
    await page
      .getByRole('alert')
      .getByText(/a colour/)
      .waitFor();
    await page.locator('input[type=file]').setInputFiles(file);
    const primary = (): Promise<string> =>
      page.locator('html').evaluate((root) => root.style.getPropertyValue('--primary'));
    // The page reads the file by itself: a reload before that would find what was there.
    await expect.poll(primary, { timeout: LIMIT_MS }).toBe('#123456');
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await primary()).toBe('#123456');
    await dashboard.shoot('settings');
    await page.getByLabel('As the system has it').check();
    await page.keyboard.press('?');
    expect(faults).toEqual([]);
  });

  test('a theme is kept by Gantry, used from there, and every page is readable in it', async () => {
    const { page, faults } = dashboard;
    await dashboard.go('#/settings');
    const file = { version: '1.0.0', theme: { name: 'paper', displayName: 'Paper', colors: PAPER } };
    const buffer = Buffer.from(JSON.stringify(file));
    await page.locator('input[type=file]').setInputFiles({ name: 'paper.json', mimeType: 'application/json', buffer });
    await page.getByText('None yet. What is kept here').waitFor();
    await page.getByRole('button', { name: 'Keep my own' }).click();
    const kept = page.locator('[data-theme-name=paper]');
    await kept.getByText('yours, for all pages').waitFor();
    await page.locator('input[type=color]').nth(6).fill('#806040');
    await page
      .getByRole('status')
      .getByText(/Hard to read.* on bg tertiary/)
      .waitFor();
    await kept.getByRole('button', { name: 'Use Paper' }).click();
    expect(await page.locator('html').evaluate((root) => root.style.getPropertyValue('--bg-tertiary'))).toBe('#f4ecda');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('light');
    const pages = ['fleet', 'requests', 'messages', 'merges', 'events', 'history', 'cost', 'settings'];
    for (const name of pages) {
      await dashboard.go(`#/${name}`);
      await page.locator('h1').first().waitFor();
      expect(await axeProblems(page), name).toEqual([]);
    }
    await dashboard.shoot('settings-paper');
    await kept.getByRole('button', { name: 'Delete Paper' }).click();
    await kept.waitFor({ state: 'detached' });
    await page.getByLabel('As the system has it').check();
    expect(faults).toEqual([]);
  });

  test('keys: pages, help, the inbox', async () => {
    const { page } = dashboard;
    await dashboard.go('#/fleet');
    await page.locator('main').press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.keyboard.press('5');
    await page.getByRole('heading', { name: 'Events' }).waitFor();
    await page.keyboard.press('n');
    await page.getByRole('dialog', { name: 'New request' }).waitFor();
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('new-request');
    await page
      .getByRole('textbox', { name: 'What shall be done?' })
      .fill(`Do it.\n${world.agent.play({ text: 'by the page' })}`);
    await page.getByLabel('One task').check();
    await page.getByRole('button', { name: 'Start' }).click();
    await page.getByRole('heading', { name: 'Do it.', level: 1 }).waitFor();
    await page.getByRole('tabpanel').getByText('by the page').last().waitFor();
  });
});
