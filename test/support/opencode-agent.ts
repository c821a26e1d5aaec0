import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { TESTED_VERSION } from '../../src/backends/opencode/v1/v1.ts';
import type { BackendSettings } from '../../src/contract/config.ts';
import { chatCompletions } from '../../src/models/scripted/chat-completions.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { leftovers } from './leftovers.ts';
import { opencodeProgram, scriptedConfig, scriptedPrompt } from './opencode.ts';
import { type AgentKind, type Fault, tokensIn, writeProgram } from './scripted-agent.ts';
import { type StepTools, stepsOf } from './scripted-steps.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/opencode/impostor.mjs', import.meta.url));
const FAULTS: Readonly<Record<Exclude<Fault, 'missing'>, string>> = {
  wrongVersion: 'wrong-version',
  diesAtOnce: 'dies-at-once',
  neverReady: 'never-ready',
};
/** Of its event stream. */
const HEARTBEAT_MS = 10_000;
const BUSY_LIMIT_MS = 20_000;

/** The real OpenCode with a private home, on a scripted model in the process of the test. */
export const opencode: AgentKind = {
  name: 'opencode',
  setUp: async ({ root, home }) => {
    const model = await startScriptedModel({});
    const program = opencodeProgram();
    const store = join(home, 'backends', 'opencode');
    const settings: BackendSettings = {
      command: [program],
      profile: 'private',
      config: scriptedConfig(model.url),
    };
    const wrapper = (fault: Fault): string => join(root, 'bin', fault);
    for (const [fault, how] of Object.entries(FAULTS)) {
      const version = fault === 'wrongVersion' ? null : TESTED_VERSION;
      await writeProgram(wrapper(fault as Fault), [process.execPath, IMPOSTOR, how], version);
    }
    /** What is asked about begins here; a hold of an earlier scenario was released for ever. */
    let round = { name: '0', requests: 0, prompts: new Set<string>() };
    const allPrompts = async (): Promise<Taken[]> =>
      (await databasesIn(store)).flatMap((file) => withDatabase(file, true, takenIn));
    const holdName = (name: string): string => `${round.name}.${name}`;
    return {
      backend: 'opencode',
      settings,
      heartbeatMs: HEARTBEAT_MS,
      broken: (fault) => ({ ...settings, command: [wrapper(fault)] }),
      repair: (fault) => writeProgram(wrapper(fault), [program]),
      play: (...acts) => scriptedPrompt(...stepsOf(acts, tools, holdName)),
      release: async (name) => model.release(holdName(name)),
      requests: async () =>
        model.requests().flatMap(({ at, sessionId, body }, index) => {
          if (index < round.requests) return [];
          const conversation = chatCompletions.read(JSON.parse(body ?? '{}'));
          const texts = [conversation?.system ?? '', ...(conversation?.turns.map(({ text }) => text) ?? [])];
          return [{ at: Date.parse(at), nativeId: sessionId ?? '', text: texts.join('\n') }];
        }),
      pidOf: async (nativeId) => {
        const server = await serverOf(join(store, 'servers'), nativeId);
        const found = ((await leftovers(home)) ?? []).filter(({ command }) => command.startsWith(`${program} `));
        for (const { pid } of found) {
          const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
          if (environment.split('\0').includes(`GANTRY_SPAWN=opencode-${server}`)) return pid;
        }
        throw new Error(`no program runs as ${server}`);
      },
      isStanding: ({ command }) => command.startsWith(`${program} serve `),
      forget: async (nativeId) => {
        for (const file of await databasesIn(store)) withDatabase(file, false, (db) => forget(db, nativeId));
      },
      promptsTaken: async () => (await allPrompts()).filter(({ id }) => !round.prompts.has(id)),
      models: { priced: 'scripted/m1', unpriced: 'scripted/m2', usd: { input: 1, output: 2 } },
      spent: async () => {
        const own = model.requests().slice(round.requests);
        return tokensIn(own.map(({ ending, played }) => (ending === 'whole' ? (played?.step.usage ?? {}) : {})));
      },
      renew: async () => {
        const prompts = new Set((await allPrompts()).map(({ id }) => id));
        round = { name: `${Number(round.name) + 1}`, requests: model.requests().length, prompts };
      },
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
};

const tools: StepTools = {
  run: (command) => ({ name: 'bash', input: { command, description: 'of a test' } }),
  write: ({ path, content }) => ({ name: 'write', input: { filePath: path, content } }),
  gantry: ({ tool, input }) => ({ name: `gantry_${tool}`, input }),
  question: ({ question, labels }) => {
    const options = labels.map((label) => ({ label, description: label }));
    return { name: 'question', input: { questions: [{ question, header: 'One', options }] } };
  },
  child: (prompt) => ({ name: 'task', input: { description: 'a part of it', prompt, subagent_type: 'general' } }),
  failStatus: 400,
};

/** The server whose directory holds the session's file for the plugin. */
async function serverOf(servers: string, nativeId: string): Promise<string> {
  const files = await readdir(servers, { recursive: true });
  const file = files.find((path) => basename(path) === `${nativeId}.json`);
  if (file === undefined) throw new Error(`no server has ${nativeId}`);
  return file.split('/')[0] ?? '';
}

/** Of every project one. */
async function databasesIn(store: string): Promise<string[]> {
  const files = await readdir(store, { recursive: true }).catch(() => []);
  return files.filter((path) => basename(path) === 'opencode.db').map((path) => join(store, path));
}

function withDatabase<T>(file: string, readOnly: boolean, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(file, { readOnly, timeout: BUSY_LIMIT_MS });
  try {
    return use(db);
  } finally {
    db.close();
  }
}

type Taken = { readonly id: string; readonly nativeId: string };

/** Somebody's words, each with the number of its texts: a prompt that is told twice would have two. */
const TAKEN = `
  SELECT message.id AS id, message.session_id AS nativeId
  FROM message JOIN part ON part.message_id = message.id
  WHERE json_extract(message.data, '$.role') = 'user' AND json_extract(part.data, '$.type') = 'text'
    AND json_extract(part.data, '$.synthetic') IS NOT 1
  ORDER BY message.time_created, message.id`;

const takenIn = (db: DatabaseSync): Taken[] =>
  db
    .prepare(TAKEN)
    .all()
    .map(({ id, nativeId }) => ({ id: String(id), nativeId: String(nativeId) }));

function forget(db: DatabaseSync, nativeId: string): void {
  for (const [table, column] of [
    ['part', 'session_id'],
    ['message', 'session_id'],
    ['event', 'aggregate_id'],
    ['session', 'id'],
  ]) {
    db.prepare(`DELETE FROM ${table} WHERE ${column} = ?`).run(nativeId);
  }
}
