import type { Client } from '../client/client.ts';
import { PluginMode } from '../contract/plugin.ts';

const ASK_LIMIT_MS = 5_000;

/** What the plugin may do now: as its variables say, else as Gantry's configuration says for this project. */
export class Mode {
  readonly #fixed: PluginMode | null;
  readonly #ask: () => Promise<PluginMode>;
  #known: PluginMode = 'observe';
  #asking: Promise<void> = Promise.resolve();

  constructor(fixed: PluginMode | null, client: () => Promise<Client>, directory: string) {
    this.#fixed = fixed;
    this.#ask = async () => {
      const input = { key: 'plugin.mode', project: directory };
      const { items } = await (await client()).call('config.explain', input, {
        signal: AbortSignal.timeout(ASK_LIMIT_MS),
      });
      return PluginMode.parse(items[0]?.value);
    };
    this.refresh();
  }

  /** As far as is known. */
  get now(): PluginMode {
    return this.#fixed ?? this.#known;
  }

  /** Reads the configuration in the background; what cannot be read leaves what holds. */
  refresh(): void {
    if (this.#fixed !== null) return;
    this.#asking = this.#ask().then(
      (mode) => {
        this.#known = mode;
      },
      // The reporter says that the daemon is away.
      () => undefined,
    );
  }

  /** Once an answer that is on its way is there. */
  async settled(): Promise<PluginMode> {
    await this.#asking;
    return this.now;
  }
}
