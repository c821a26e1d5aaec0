import { randomUUID } from 'node:crypto';
import { Connection } from './connection.ts';
import { readSettings } from './environment.ts';
import type { Hooks, PluginInput } from './native.ts';
import { type Observation, Observer } from './observe.ts';
import { Reporter } from './reporter.ts';
import { Speaker } from './speaker.ts';

/** How long OpenCode's own end may be held up. */
const FLUSH_MS = 400;

/**
 * Gantry's plugin for OpenCode 1.x, for a person's own sessions. OpenCode calls every function that this module exports:
 * there is one.
 */
export const GantryPlugin = async ({ client, directory }: PluginInput, options: unknown): Promise<Hooks> => {
  const settings = readSettings(options);
  const speaker = new Speaker(client, settings);
  if (settings.problem !== null) speaker.warn(`the plugin is off: ${settings.problem}`);
  if (settings.problem !== null || settings.mode === 'off') return {};
  const connection = new Connection(settings);
  const { kind, isReasoningTold, sourceApp } = settings;
  const observer = new Observer({ directory, kind, isReasoningTold });
  const reporter = new Reporter({
    sourceApp,
    post: connection.postEvents,
    warn: speaker.warn,
    note: speaker.note,
    now: Date.now,
    instance: randomUUID(),
  });
  const report = (observations: readonly Observation[]): void => {
    for (const observation of observations) reporter.add(observation);
  };
  return {
    event: async ({ event }) => report(observer.event(event)),
    'chat.message': async ({ sessionID }, output) => report(observer.prompt(sessionID, output)),
    'experimental.session.compacting': async ({ sessionID }) => report(observer.compacting(sessionID)),
    dispose: async () => {
      report(observer.end());
      await reporter.close(FLUSH_MS);
      await speaker.written();
    },
  };
};
