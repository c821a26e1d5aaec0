import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Client } from '../../src/client/client.ts';
import { LIMIT_MS } from './journal-watch.ts';

const CHROMIUM = '/usr/bin/chromium';
/** Without it the tests of the dashboard are skipped, which scripts/test.mjs lists. */
export const hasChromium = existsSync(CHROMIUM);

const SHOTS = fileURLToPath(new URL('../browser/shots', import.meta.url));
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };

/** Chromium from Debian, without what it would do by itself. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });

/** A page of the dashboard, logged in; what goes wrong in it is collected. */
export class DashboardPage implements AsyncDisposable {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, refusals of the policy, files that were not found. */
  readonly faults: string[] = [];
  readonly #url: string;

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.context = context;
    this.page = page;
    this.#url = url;
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      // A connection that is lost is written there by the browser itself.
      const isOfConnection = /WebSocket connection|ERR_CONNECTION|Failed to load resource/.test(message.text());
      if (message.type() === 'error' && !isOfConnection) this.faults.push(message.text());
    });
  }

  /** Logs in by a one-time link, as `gantry open` does. */
  static async open(browser: Browser, client: Client, hash = ''): Promise<DashboardPage> {
    const context = await browser.newContext({ viewport: WIDE, reducedMotion: 'reduce', colorScheme: 'light' });
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    const opened = new DashboardPage(context, page, client.url);
    const { url } = await client.call('login.create', {});
    await page.goto(url);
    await page.getByText('Live', { exact: true }).waitFor();
    if (hash !== '') await opened.go(hash);
    return opened;
  }

  /** To a page by its address: `#/events?q=…`. */
  async go(hash: string): Promise<void> {
    await this.page.goto(`${this.#url}/${hash}`);
  }

  /** With `GANTRY_SHOTS`: pictures in both themes, wide and narrow, for people to look at. */
  async shoot(name: string): Promise<void> {
    if (!process.env.GANTRY_SHOTS) return;
    await mkdir(SHOTS, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
        await this.page.setViewportSize(viewport);
        await this.page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}-${size}.png`), fullPage: true });
      }
    }
    await this.page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await this.page.setViewportSize(WIDE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
  }
}
