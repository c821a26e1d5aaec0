import { AppError } from '../contract/errors.ts';
import type { Environment } from '../daemon/environment.ts';
import { runCommand } from '../process/run.ts';

const LIMIT_MS = 5_000;

/** Hands an address to the system's browser, where there is a screen; says nothing if that does not work. */
export async function openInBrowser(url: string, environment: Environment): Promise<void> {
  const isMac = process.platform === 'darwin';
  if (!isMac && !environment.DISPLAY && !environment.WAYLAND_DISPLAY) return;
  const env = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    await runCommand({ command: [isMac ? 'open' : 'xdg-open', url], cwd: '/', env, marker: null, limitMs: LIMIT_MS });
  } catch (error) {
    // The link was printed: without a browser program the person opens it.
    if (!(error instanceof AppError && error.code === 'spawn_failed')) throw error;
  }
}
