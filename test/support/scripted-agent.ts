import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BackendSettings } from '../../src/contract/config.ts';
import type { Leftover } from './leftovers.ts';
import { programFile } from './programs.ts';
import { COMPILE_CACHE } from './temp.ts';

/** What an agent is made to do, in words that the script of every backend has. Each act is one request to the model. */
export type Act = {
  /** The model's answer, and with it the rest of the act, waits for that release. */
  readonly hold?: string;
  /** Done by a sub-agent. */
  readonly child?: true;
  readonly write?: { readonly path: string; readonly content: string };
  readonly run?: string;
  /** A tool of Gantry's own MCP server. */
  readonly gantry?: { readonly tool: string; readonly input: object };
  readonly question?: { readonly question: string; readonly labels: readonly string[] };
  /** The last words of the turn. `{{lastToolOutput}}` in it stands for what the last tool gave. */
  readonly text?: string;
  /** The model answers with an error that no repetition mends. */
  readonly fail?: string;
  /** Tokens that the model's answer counts. */
  readonly usage?: { readonly input: number; readonly output: number };
  /** So long nothing is said; that the program lives can be seen all the same. */
  readonly silentMs?: number;
};

/** One request to the model: what the model was shown, as one text. */
export type ModelRequest = { readonly at: number; readonly nativeId: string; readonly text: string };

/** Ways in which a start goes wrong. */
export type Fault = 'missing' | 'wrongVersion' | 'diesAtOnce' | 'neverReady';

/** The agent program of a world, and its script. */
export type ScriptedAgent = AsyncDisposable & {
  /** The id of the backend; further ones of the same kind begin with it and a dash. */
  readonly backend: string;
  readonly settings: BackendSettings;
  /** How often the program says that it lives. */
  readonly heartbeatMs: number;
  readonly broken: (fault: Fault) => BackendSettings;
  /** From now on the program that is broken so starts as it should. */
  readonly repair: (fault: Fault) => Promise<void>;
  /** The words of a prompt that make the agent do this. */
  readonly play: (...acts: readonly Act[]) => string;
  readonly release: (name: string) => Promise<void>;
  /** All requests to the model so far, oldest first. */
  readonly requests: () => Promise<readonly ModelRequest[]>;
  /** The living program that serves this session. */
  readonly pidOf: (nativeId: string) => Promise<number>;
  /** Removes the session from the program's own store. */
  readonly forget: (nativeId: string) => Promise<void>;
  /** Tokens of every answer with a `usage` that the model has given, together. */
  readonly spent: () => Promise<{ readonly input: number; readonly output: number }>;
  /** Two models by name; of the one the price is known, USD for a million tokens. */
  readonly models: {
    readonly priced: string;
    readonly unpriced: string;
    readonly usd: { readonly input: number; readonly output: number };
  };
  /** Every prompt that the program wrote into its own store as a new one. */
  readonly promptsTaken: () => Promise<readonly { readonly id: string; readonly nativeId: string }[]>;
  /** A program that outlives the sessions which it serves. */
  readonly isStanding?: (process: Leftover) => boolean;
  /** Forgets requests, prompts and releases so far. Where it is, one world is used for many scenarios, one after the other. */
  readonly renew?: () => Promise<void>;
};

/** How one backend is put on the stage of a world. */
export type AgentKind = {
  readonly name: string;
  readonly setUp: (place: { readonly root: string; readonly home: string }) => Promise<ScriptedAgent>;
};

type LogLine = {
  readonly at: number;
  readonly kind: string;
  readonly session: string;
  readonly pid?: number;
  readonly messages?: readonly { readonly text: string }[];
};

const FAKE_AGENT = programFile('backends/fake/agent/main');

export const HEARTBEAT_MS = 500;

export const fake: AgentKind = {
  name: 'fake',
  setUp: async ({ root, home }) => {
    const control = join(root, 'control');
    const log = join(root, 'agent.log');
    await mkdir(control);
    const env = { ...COMPILE_CACHE, GANTRY_FAKE_CONTROL: control, GANTRY_FAKE_LOG: log };
    const start = (words: string): BackendSettings => ({ env: { ...env, GANTRY_FAKE_START: words } });
    const read = async (kind: string): Promise<LogLine[]> =>
      (await linesOf<LogLine>(log)).filter((line) => line.kind === kind);
    return {
      backend: 'fake',
      settings: { env, config: { heartbeatMs: HEARTBEAT_MS } },
      heartbeatMs: HEARTBEAT_MS,
      broken: (fault) => {
        if (fault === 'missing') return { env, command: [join(root, 'bin', 'agent')] };
        return start({ wrongVersion: 'version=9.0.0', diesAtOnce: 'exit=3', neverReady: 'never-ready' }[fault]);
      },
      repair: async (fault) => {
        // The control directory's word is stronger than the configuration's.
        if (fault !== 'missing') return writeFile(join(control, 'start'), '');
        await writeProgram(join(root, 'bin', 'agent'), [process.execPath, FAKE_AGENT]);
      },
      play: (...acts) => `@@fake ${JSON.stringify(acts.map(stepOf))}`,
      release: (name) => writeFile(join(control, name), ''),
      requests: async () =>
        (await read('request')).map(({ at, session, messages = [] }) => ({
          at,
          nativeId: session,
          text: messages.map((message) => message.text).join('\n'),
        })),
      pidOf: async (nativeId) => {
        const opened = (await read('open')).findLast((line) => line.session === nativeId);
        if (opened?.pid === undefined) throw new Error(`no program has opened ${nativeId}`);
        return opened.pid;
      },
      forget: async (nativeId) => {
        const [file] = (await storesIn(home)).filter((path) => path.endsWith(`${nativeId}.ndjson`));
        if (file === undefined) throw new Error(`there is no store of ${nativeId} below ${home}`);
        await rm(file);
      },
      models: { priced: 'known/m1', unpriced: 'nobody/m2', usd: { input: 1, output: 2 } },
      spent: async () => {
        const stores = await Promise.all((await storesIn(home)).map((file) => linesOf<StoreLine>(file)));
        // A fork begins with a copy of the lines that were.
        const answers = new Map(stores.flat().map((line) => [`${line.turn} ${line.step}`, line.usage]));
        return tokensIn([...answers.values()].map((u) => ({ input: u?.inputTokens, output: u?.outputTokens })));
      },
      promptsTaken: async () => {
        const stores = await Promise.all((await storesIn(home)).map((file) => linesOf<StoreLine>(file)));
        return stores.flatMap((lines) => {
          const nativeId = lines[0]?.nativeId ?? '';
          return lines.flatMap(({ type, id }) => (type === 'prompt' ? [{ id: id ?? '', nativeId }] : []));
        });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
};

/** A program that runs another one; its version it tells itself, if one is given. */
export async function writeProgram(
  path: string,
  command: readonly string[],
  version: string | null = null,
): Promise<void> {
  const telling = version === null ? '' : `[ "$1" = --version ] && exec echo ${version}\n`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${telling}exec ${command.map((word) => `'${word}'`).join(' ')} "$@"\n`);
  await chmod(path, 0o755);
}

/** A line of a session's own store. */
type StoreLine = {
  readonly type: string;
  readonly nativeId?: string;
  readonly id?: string;
  readonly turn?: string;
  /** Of a usage: the same after a resume. */
  readonly step?: string;
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number };
};

/** The sum of what answers used; one without a count adds nothing. */
export const tokensIn = (
  answers: readonly { readonly input?: number | undefined; readonly output?: number | undefined }[],
): { readonly input: number; readonly output: number } => ({
  input: answers.reduce((sum, { input = 0 }) => sum + input, 0),
  output: answers.reduce((sum, { output = 0 }) => sum + output, 0),
});

function stepOf({ run, question, fail, silentMs, usage, ...act }: Act): object {
  return {
    ...act,
    ...(usage && { usage: { inputTokens: usage.input, outputTokens: usage.output } }),
    ...(run !== undefined && { run: { command: run } }),
    ...(silentMs !== undefined && { silent: silentMs }),
    ...(fail !== undefined && { fail: { class: 'model', message: fail } }),
    ...(question && {
      question: {
        question: question.question,
        options: question.labels.map((label) => ({ label, description: '' })),
      },
    }),
  };
}

const storesIn = async (home: string): Promise<string[]> =>
  (await readdir(home, { recursive: true }))
    .filter((path) => /fake_[0-9a-f]+\.ndjson$/.test(path))
    .map((p) => join(home, p));

/** The whole lines of a file; none if it is not there. */
async function linesOf<T>(file: string): Promise<T[]> {
  if (!existsSync(file)) return [];
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as T);
}
