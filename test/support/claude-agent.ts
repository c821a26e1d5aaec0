import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GO_ON } from '../../src/backends/claude/history.ts';
import { TESTED_VERSION } from '../../src/backends/claude/version.ts';
import { messages } from '../../src/models/scripted/messages.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { claudeProgram, claudeTools, scriptedClaude } from './claude.ts';
import { scriptedPrompt } from './opencode.ts';
import { type AgentKind, type Fault, tokensIn, writeProgram } from './scripted-agent.ts';
import { stepsOf } from './scripted-steps.ts';

const IMPOSTOR = fileURLToPath(new URL('../fixtures/claude/impostor.mjs', import.meta.url));
const FAULTS: Readonly<Record<Exclude<Fault, 'missing'>, string>> = {
  wrongVersion: 'wrong-version',
  diesAtOnce: 'dies-at-once',
  neverReady: 'never-ready',
};
/** Of the driver's own questions while a turn runs. */
const HEARTBEAT_MS = 10_000;

/** The real Claude Code with a private home, on a scripted model in the process of the test. */
export const claude: AgentKind = {
  name: 'claude',
  setUp: async ({ root, home }) => {
    const model = await startScriptedModel({});
    const program = claudeProgram();
    const settings = scriptedClaude(model.url);
    const config = join(home, 'backends', 'claude', 'config');
    const wrapper = (fault: Fault): string => join(root, 'bin', fault);
    for (const [fault, how] of Object.entries(FAULTS)) {
      const version = fault === 'wrongVersion' ? null : TESTED_VERSION;
      await writeProgram(wrapper(fault as Fault), [process.execPath, IMPOSTOR, how], version);
    }
    /** What is asked about begins here; a hold of an earlier scenario was released for ever. */
    let round = { name: '0', requests: 0, prompts: new Set<string>() };
    const holdName = (name: string): string => `${round.name}.${name}`;
    return {
      backend: 'claude',
      settings,
      heartbeatMs: HEARTBEAT_MS,
      broken: (fault) => ({ ...settings, command: [wrapper(fault)] }),
      repair: (fault) => writeProgram(wrapper(fault), [program]),
      play: (...acts) => scriptedPrompt(...stepsOf(acts, claudeTools, holdName)),
      release: async (name) => model.release(holdName(name)),
      requests: async () =>
        model.requests().flatMap(({ at, sessionId, body }, index) => {
          if (index < round.requests) return [];
          const conversation = messages.read(JSON.parse(body ?? '{}'));
          const texts = [conversation?.system ?? '', ...(conversation?.turns.map(({ text }) => text) ?? [])];
          return [{ at: Date.parse(at), nativeId: sessionId ?? '', text: texts.join('\n') }];
        }),
      pidOf: async (nativeId) => {
        const live = join(config, 'sessions');
        for (const file of (await readdir(live)).filter((name) => name.endsWith('.json'))) {
          const { pid, sessionId } = JSON.parse(await readFile(join(live, file), 'utf8'));
          if (sessionId === nativeId && isRunning(pid)) return pid;
        }
        throw new Error(`no program runs ${nativeId}`);
      },
      forget: async (nativeId) => {
        for (const file of await transcriptsIn(config)) if (basename(file) === `${nativeId}.jsonl`) await rm(file);
      },
      promptsTaken: async () => (await takenIn(config)).filter(({ id }) => !round.prompts.has(id)),
      models: { priced: 'anthropic/claude-sonnet-4-5', unpriced: 'anthropic/nobody', usd: { input: 3, output: 15 } },
      spent: async () => {
        const own = model.requests().slice(round.requests);
        return tokensIn(own.map(({ ending, played }) => (ending === 'whole' ? (played?.step.usage ?? {}) : {})));
      },
      renew: async () => {
        const prompts = new Set((await takenIn(config)).map(({ id }) => id));
        round = { name: `${Number(round.name) + 1}`, requests: model.requests().length, prompts };
      },
      [Symbol.asyncDispose]: () => model.close(),
    };
  },
};

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

const transcriptsIn = async (config: string): Promise<string[]> =>
  (await readdir(join(config, 'projects'), { recursive: true }).catch(() => []))
    .filter((path) => /^[^/]+\/[0-9a-f-]{36}\.jsonl$/.test(path))
    .map((path) => join(config, 'projects', path));

/** Somebody's words: a line of a person, or what was put in while a turn ran. */
async function takenIn(config: string): Promise<{ readonly id: string; readonly nativeId: string }[]> {
  const found = await Promise.all(
    (await transcriptsIn(config)).map(async (file) => {
      const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
      return lines.flatMap((line) => {
        const { type, uuid, promptSource, message, attachment } = JSON.parse(line);
        const isPrompt = type === 'user' && promptSource !== undefined && message.content !== GO_ON;
        const id = isPrompt ? uuid : attachment?.type === 'queued_command' ? attachment.source_uuid : null;
        return id === null ? [] : [{ id: String(id), nativeId: basename(file, '.jsonl') }];
      });
    }),
  );
  return found.flat();
}
