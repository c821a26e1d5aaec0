import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../src/client/client.ts';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { readAdminToken } from '../../src/daemon/tokens-file.ts';
import { DashboardPage, openBrowser } from '../support/browser.ts';
import { Terminal } from '../support/terminal.ts';

/** Makes docs/images anew: `npm start` in a real terminal, and the dashboard on what it left. `npm run pictures`. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IMAGES = join(ROOT, 'docs', 'images');
const COLUMNS = 104;
/** All of the demo's lines are on the screen. */
const ROWS = 160;
const WIDTH = 960;
const ESCAPE = String.fromCharCode(27);
const codes = new RegExp(`${ESCAPE}\\[([\\d;]*)m`);

/** What a code of the terminal ends: all, bold and faint, a colour. */
const ENDS: Readonly<Record<string, RegExp>> = { 0: /./, 22: /^[12]$/, 39: /^[39]\d$/ };
const plain = (line: string): string =>
  line
    .split(codes)
    .filter((_, index) => index % 2 === 0)
    .join('')
    .trimEnd();

const browser = await openBrowser();
try {
  await terminalPicture();
  await dashboardPicture();
} finally {
  await browser.close();
}

/** What a person sees who types it, as far as the result. */
async function terminalPicture(): Promise<void> {
  const env = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', LANG: 'C.UTF-8', PS1: '$ ' };
  await using terminal = await Terminal.open(['sh', '-i'], { cwd: ROOT, env, columns: COLUMNS, rows: ROWS });
  await terminal.shows('$');
  await terminal.type('npm start --silent');
  await terminal.press('Enter');
  // It has cleared up when the shell asks again.
  await terminal.shows(/A scripted model played the agents[\s\S]*\n\$$/);
  const lines = (await terminal.colours()).split('\n');
  const end = lines.findIndex((line) => plain(line) === 'Diff');
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 100 } });
  await page.setContent(`<style>
    body { margin: 0; background: #1e1e2e; color: #cdd6f4; }
    pre { margin: 0; padding: 18px 22px; font: 14px/19px "DejaVu Sans Mono", monospace; }
      .c1 { color: #fff; font-weight: 700; } .c2 { color: #8b8fa7; } .c31 { color: #f38ba8; } .c32 { color: #a6e3a1; } .c33 { color: #f9e2af; } .c36 { color: #89dceb; }
  </style><pre>${html(lines.slice(0, end).join('\n').trimEnd())}</pre>`);
  await page.screenshot({ path: join(IMAGES, 'start.png'), fullPage: true });
}

/** The request of a demo that was kept. */
async function dashboardPicture(): Promise<void> {
  const gantry = (...args: string[]): string =>
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'gantry.mjs'), ...args], { encoding: 'utf8' });
  const { requestId, kept } = JSON.parse(gantry('demo', '--keep', '--json')) as {
    readonly requestId: string;
    readonly kept: string;
  };
  const home = join(kept, 'home');
  try {
    const { url } = JSON.parse(gantry('up', '--home', home, '--port', '0', '--json')) as { readonly url: string };
    const client = createClient({ url, token: readAdminToken(home) ?? '' });
    await using dashboard = await DashboardPage.open(browser, client, `#/requests/${requestId}`);
    await dashboard.page.getByRole('heading', { name: 'Collected work' }).waitFor();
    await dashboard.page.getByRole('article').first().waitFor();
    await dashboard.page.screenshot({ path: join(IMAGES, 'dashboard.png') });
  } finally {
    await endDaemon(home, { graceMs: 15_000 });
    rmSync(kept, { recursive: true, force: true });
  }
}

/** Lines with their colours: what the terminal was told, as spans. A colour goes on until it is ended. */
function html(text: string): string {
  let open: readonly string[] = [];
  return text
    .split(codes)
    .map((piece, index) => {
      if (index % 2 === 0) {
        const words = piece.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
        return words === '' ? '' : `<span class="${open.map((code) => `c${code}`).join(' ')}">${words}</span>`;
      }
      for (const code of piece === '' ? ['0'] : piece.split(';')) {
        const ended = ENDS[code];
        open = ended ? open.filter((one) => !ended.test(one)) : [...open, code];
      }
      return '';
    })
    .join('');
}
