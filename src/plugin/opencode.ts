import { randomUUID } from 'node:crypto';
import { Connection } from './connection.ts';
import { type PluginSettings, readSettings } from './environment.ts';
import { addWords } from './message.ts';
import { Mode } from './mode.ts';
import { type Hooks, type MessageOutput, NativeSession, type PluginInput, UserMessage, wordsOf } from './native.ts';
import { type Observation, Observer } from './observe.ts';
import { Reporter } from './reporter.ts';
import { Requests } from './requests.ts';
import { Speaker } from './speaker.ts';
import { createTools } from './tools.ts';
import { HANDED_OVER } from './words.ts';

/** How long OpenCode's own end may be held up. */
const FLUSH_MS = 400;
const ASK_MS = 5_000;

/**
 * Gantry's plugin for OpenCode 1.x, for a person's own sessions. OpenCode calls every function that this module exports:
 * there is one.
 */
export const GantryPlugin = async (input: PluginInput, options: unknown): Promise<Hooks> => {
  const settings = readSettings(options);
  const speaker = new Speaker(input.client, settings);
  if (settings.problem !== null) speaker.warn(`the plugin is off: ${settings.problem}`);
  if (settings.problem !== null || settings.mode === 'off') return {};
  return hooksFor(input, settings, speaker);
};

function hooksFor({ client, directory }: PluginInput, settings: PluginSettings, speaker: Speaker): Hooks {
  const connection = new Connection(settings);
  const { kind, isReasoningTold, sourceApp } = settings;
  const { warn, note, tell } = speaker;
  const observer = new Observer({ directory, kind, isReasoningTold });
  const instance = randomUUID();
  const reporter = new Reporter({ sourceApp, post: connection.postEvents, warn, note, now: Date.now, instance });
  const mode = new Mode(settings.mode, connection.client, directory);
  const report = (observations: readonly Observation[]): void => {
    if (mode.now !== 'off') for (const observation of observations) reporter.add(observation);
  };
  /** Everything but telling: not in what Gantry itself has started. */
  const requests = settings.isGantryMade
    ? null
    : new Requests({ client: connection.client, directory, report, warn, tell });
  /** Sessions whose next message comes from a command such as /init: it is OpenCode's own work. */
  const commanded = new Set<string>();

  /** Of a session that this process has not met. */
  const isRoot = async (id: string): Promise<boolean> => {
    const { data } = await client.session.get({ path: { id }, signal: AbortSignal.timeout(ASK_MS) });
    const session = NativeSession.safeParse(data).data;
    return session !== undefined && (session.parentID ?? null) === null;
  };

  /** Nothing is waited for: what is not known yet is found out behind the message's back. */
  const hand = (sessionId: string, output: MessageOutput, parent: string | null | undefined): void => {
    const message = UserMessage.safeParse(output.message).data;
    const words = wordsOf(output.parts).trim();
    mode.refresh();
    if (!requests || !message || words === '' || (parent !== undefined && parent !== null)) return;
    if (parent === null && mode.now === 'execute') addWords(output, HANDED_OVER);
    const later = async (): Promise<void> => {
      if (parent === undefined && !(await isRoot(sessionId))) return;
      const wanted = await mode.settled();
      if (wanted === 'plan' || wanted === 'execute') {
        await requests.hand(sessionId, words, wanted === 'plan', `opencode:${message.id}`);
      }
    };
    later().catch((error: unknown) => warn(`a message was not handed over: ${String(error)}`));
  };

  return {
    event: async ({ event }) => report(observer.event(event)),
    'chat.message': async ({ sessionID }, output) => {
      const parent = observer.parentOf(sessionID);
      report(observer.prompt(sessionID, output));
      if (!commanded.delete(sessionID)) hand(sessionID, output, parent);
    },
    'command.execute.before': async ({ sessionID }) => void commanded.add(sessionID),
    'experimental.session.compacting': async ({ sessionID }) => report(observer.compacting(sessionID)),
    'experimental.chat.system.transform': async ({ sessionID }, { system }) => {
      const context = sessionID === undefined ? null : (requests?.contextOf(sessionID) ?? null);
      if (context !== null) system.push(context);
    },
    ...(requests && { tool: createTools({ client: connection.client, requests, directory }) }),
    dispose: async () => {
      requests?.close();
      report(observer.end());
      await reporter.close(FLUSH_MS);
      await speaker.written();
    },
  };
}
