import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Client, createClient } from '../client/client.ts';
import { openSend } from '../client/send.ts';
import { AppError } from '../contract/errors.ts';
import type { PluginSettings } from './environment.ts';
import type { WireEvent } from './reporter.ts';

const Daemon = z.object({ url: z.string() });

/** Where the daemon is: as the variables say, else as the home says, which may change with every start of a daemon. */
export class Connection {
  readonly #settings: PluginSettings;

  constructor(settings: PluginSettings) {
    this.#settings = settings;
  }

  /** @throws AppError daemon_unreachable, unauthorized */
  readonly client = async (): Promise<Client> => createClient(await this.#where());

  /** Resolves when they are stored. @throws AppError */
  readonly postEvents = async (events: readonly WireEvent[], signal: AbortSignal): Promise<void> => {
    const send = openSend(await this.#where());
    const headers = { 'Content-Type': 'application/json' };
    const answer = await send('/events', { method: 'POST', headers, body: JSON.stringify(events), signal });
    await answer.text();
  };

  async #where(): Promise<{ readonly url: string; readonly token: string }> {
    const { url, token, home } = this.#settings;
    return {
      url: url ?? Daemon.parse(JSON.parse(await this.#read(home, 'daemon.json', 'no daemon runs'))).url,
      token: token ?? (await this.#read(home, join('plugin', 'token'), 'the plugin has no token')).trim(),
    };
  }

  async #read(home: string | null, name: string, what: string): Promise<string> {
    const remedy = 'start it with `gantry up`, or install the plugin anew with `gantry plugin install opencode`';
    try {
      if (home !== null) return await readFile(join(home, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    throw new AppError('daemon_unreachable', `${what} (${home ?? 'GANTRY_HOME is not set'}): ${remedy}`);
  }
}
