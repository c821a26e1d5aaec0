import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fact } from '../../src/contract/fact.ts';
import { axeProblems } from '../support/axe.ts';
import { DashboardPage, hasChromium, openBrowser } from '../support/browser.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

/** As a person at the browser would type a time. */
const typed = (at: number): string =>
  `(() => { const d = new Date(${at}); return new Date(d.getTime() - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19); })()`;
const second = (at: number): number => Math.floor(at / 1_000) * 1_000;

describe.skipIf(!hasChromium)('a replay of the past in Chromium', () => {
  let world: World;
  let browser: Browser;

  beforeAll(async () => {
    world = await World.make(fake);
    await world.up();
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await world?.[Symbol.asyncDispose]();
  });

  const exec = async (steps: readonly object[]): Promise<void> => {
    const prompt = `@@fake ${JSON.stringify(steps)}`;
    const { sessionId } = await world.call('exec.start', { prompt, directory: world.project.root });
    await world.until('its end', ({ sessions }) => sessions.get(sessionId)?.state === 'stopped');
  };
  const shown = (): Fact[] => world.journal.facts.filter(({ kind }) => !kind.endsWith('.delta'));
  const isOf =
    (words: string) =>
    ({ data }: Fact): boolean =>
      JSON.stringify(data).includes(words);

  test('shows a window that the page has not loaded, at its pace, and only reads', async () => {
    await exec([{ say: 'begin-of-it' }, { silent: 1_800 }, { text: 'end-of-it' }]);
    const from = second(shown().find(isOf('begin-of-it'))?.at ?? 0);
    const to = second(shown().findLast(isOf('end-of-it'))?.at ?? 0);
    const tools = Array.from({ length: 40 }, () => ({ name: 'look' }));
    await exec([...Array.from({ length: 30 }, () => ({ tools })), { text: 'much came since' }]);
    const all = shown().filter(({ at }) => at >= from && at <= to + 999);
    expect(all.length).toBeGreaterThan(5);

    await using dashboard = await DashboardPage.open(browser, world.client, '#/events');
    const { page, faults } = dashboard;
    await page.getByRole('button', { name: 'Load older ones' }).waitFor();
    expect(shown().length).toBeGreaterThan(3_000);
    await page.getByRole('button', { name: 'Replay' }).click();
    const asked = new Set<string>();
    page.on('request', (request) => asked.add(`${request.method()} ${new URL(request.url()).pathname}`));
    await page.getByLabel('From').fill(String(await page.evaluate(typed(from))));
    await page.getByLabel('to', { exact: true }).fill(String(await page.evaluate(typed(to))));
    await page.getByRole('button', { name: 'Load', exact: true }).click();
    const isAt = (place: number) => page.getByText(`${place} of ${all.length} ·`).waitFor();
    await isAt(1);
    expect(page.url()).toContain(`from=${from}`);
    expect(await axeProblems(page)).toEqual([]);
    await dashboard.shoot('events-past');

    // The page's clock is ours from here on: a pause is as long as the facts' own times say, but for those over 2 s.
    await page.clock.pauseAt(new Date(Date.now() + 3_600_000));
    const pauses = all.map(({ at }, i) => Math.min(Math.max(at - (all[i - 1]?.at ?? at), 0), 2_000));
    // The silence, or the longer part of it if something else was told meanwhile.
    const longest = Math.max(...pauses.slice(2));
    expect(longest).toBeGreaterThan(500);
    const before = pauses.lastIndexOf(longest);
    const rest = pauses.slice(before + 1).reduce((sum, pause) => sum + pause, 0);
    const place = page.getByLabel('Place in the replay');
    for (const speed of [1, 4]) {
      await page.getByLabel('Speed').selectOption(String(speed));
      await place.fill(String(before - 1));
      await page.getByRole('button', { name: 'Play' }).click();
      await isAt(before);
      await page.clock.runFor((pauses[before] ?? 0) / speed - 50);
      await isAt(before);
      await page.clock.runFor(100 + rest);
      await isAt(all.length);
      await page.getByRole('button', { name: 'Play' }).waitFor();
    }
    const rows = page.locator('[role=option]');
    const seqs = await rows.evaluateAll((found) => found.map((row) => Number(row.getAttribute('data-seq'))));
    const order = all.map(({ seq }) => seq);
    const at = order.indexOf(seqs[0] ?? 0);
    expect(seqs).toEqual(order.slice(at, at + seqs.length));
    expect([...asked]).toEqual(['GET /api/v1/facts']);

    await page.getByRole('button', { name: 'Back to now' }).click();
    await page.getByRole('button', { name: 'Load older ones' }).waitFor();
    expect(page.url()).not.toContain('from=');
    expect(faults).toEqual([]);
  });
});
