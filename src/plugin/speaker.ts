import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PluginSettings } from './environment.ts';
import type { NativeClient } from './native.ts';

const MAX_LOG_BYTES = 1_000_000;
const SERVICE = 'gantry';

/** How the plugin speaks: to its log file always, to the person when it matters. Nothing here is awaited, nothing throws. */
export class Speaker {
  readonly #client: NativeClient;
  readonly #settings: PluginSettings;
  readonly #file: string | null;
  #writing: Promise<void> = Promise.resolve();

  constructor(client: NativeClient, settings: PluginSettings) {
    this.#client = client;
    this.#settings = settings;
    this.#file = settings.home === null ? null : join(settings.home, 'logs', 'plugin.log');
  }

  /** A line in the log. */
  readonly note = (text: string): void => this.#write('info', text);

  /** Something does not work: a line in the log, and the person is told once. */
  readonly warn = (text: string): void => {
    this.#write('warn', text);
    this.#quietly(this.#client.app.log({ body: { service: SERVICE, level: 'warn', message: text } }));
    if (this.#settings.kind === 'cli') process.stderr.write(`gantry: ${text}\n`);
    else this.#toast(text, 'warning');
  };

  /** Something came about that the person wants to know. */
  readonly tell = (text: string): void => {
    this.#write('info', text);
    this.#toast(text, 'info');
  };

  /** Resolves when the log is written. */
  readonly written = (): Promise<void> => this.#writing;

  #toast(message: string, variant: 'info' | 'warning'): void {
    if (this.#settings.kind !== 'tui') return;
    this.#quietly(this.#client.tui.showToast({ body: { title: 'Gantry', message, variant } }));
  }

  /** Where nobody listens there is nobody to tell. */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#write('warn', `OpenCode did not take a message: ${String(error)}`));
  }

  #write(level: string, text: string): void {
    const file = this.#file;
    if (file === null) return;
    const line = `${new Date().toISOString()} ${level} [${process.pid}] ${text.replaceAll('\n', ' ')}\n`;
    this.#writing = this.#writing.then(() => append(file, line)).catch(() => undefined);
  }
}

/** A home that is gone is not made anew. */
async function append(file: string, line: string): Promise<void> {
  await mkdir(dirname(file), { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
  await appendFile(file, line, { mode: 0o600 });
}
