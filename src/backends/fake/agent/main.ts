import { appendFileSync, closeSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { check } from '../../../base/script.ts';
import { pause } from '../../../base/wait.ts';
import { AGENT_VERSION, type AgentFrame, DriverFrame } from '../wire.ts';
import type { Stage } from './calls.ts';
import { Control } from './control.ts';
import { Journal } from './journal.ts';
import { AgentSession } from './session.ts';
import { parseStart } from './start.ts';
import { type FakeScript, fakeScriptSchema } from './steps.ts';

/**
 * The scripted fake agent: a real program that plays a script as an agent program would, for tests and for trying Gantry
 * without a model.
 *
 *     main.ts --store DIR [--resume ID | --fork ID]      one session on stdin and stdout
 *     main.ts --version
 *
 * Protocol: one JSON object per line (`../wire.ts`). The driver sends `open`; the agent answers `hello` with its version,
 * native id and capabilities, or with why a resume became a new session. Then requests, each with a reply of the same id:
 * - `prompt`: `accepted`; `busy` (a turn runs and the mode is not `steer`); `refused` with a failure. A prompt id that the
 *   store knows is not given to the "model" again: a running turn goes on, a cut one goes on at the step where it was cut
 *   (what had begun is noted as interrupted), one that is over tells its end again.
 * - `answer` (to an `asked` event): `taken` or `gone`. - `interrupt`: `done` after the turn's end.
 * - `transcript`: one `item` per item, then `done`.
 * `close` or the end of the input ends the program; the session stays in the store. What happens comes as `event`, counted by
 * `seq`, `heartbeat` events every `heartbeatMs` among them.
 *
 * The script: the last `@@fake [steps]` (see `steps.ts`) of the newest prompt that has one; a prompt without goes on where
 * it was. In a session without any, the first rule of the file `GANTRY_FAKE_SCRIPT` that holds for the prompt, else a fixed
 * sentence. A turn whose steps give no `text` ends with "Done.".
 * Variables: `GANTRY_FAKE_LOG` (file: NDJSON of every prompt, model request, word, question, answer and end, with time,
 * session and bytes), `GANTRY_FAKE_CONTROL` (directory of the files that `hold` waits for), `GANTRY_FAKE_SCRIPT`,
 * `GANTRY_FAKE_START` (see `start.ts`; a file `start` in the control directory takes its place).
 */
function main(): void {
  const { values: flags } = parseArgs({
    options: {
      store: { type: 'string' },
      resume: { type: 'string' },
      fork: { type: 'string' },
      version: { type: 'boolean' },
    },
  });
  const control = new Control(env.GANTRY_FAKE_CONTROL ?? join(flags.store ?? tmpdir(), 'control'));
  const start = parseStart(control.read('start') ?? env.GANTRY_FAKE_START ?? '');
  const version = start.version ?? AGENT_VERSION;
  if (flags.version) {
    process.stdout.write(`gantry-fake-agent ${version}\n`);
    return;
  }
  if (flags.store === undefined) throw new Error('--store DIR is needed');
  if (start.exitCode !== null) {
    process.stderr.write('fake agent: ends at its start, as told\n');
    process.exit(start.exitCode);
  }
  if (start.ignores !== 'nothing') process.on('SIGTERM', () => undefined);
  const mayEnd = start.ignores !== 'everything';
  const output = new Output(mayEnd);
  const store = flags.store;
  let session: AgentSession | null = null;
  const input = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  input.on('close', () => (mayEnd ? process.exit(0) : setInterval(() => undefined, 60_000)));
  input.on('line', (line) => {
    const frame = DriverFrame.parse(JSON.parse(line));
    if (frame.type === 'close') {
      if (mayEnd) process.exit(0);
    } else if (frame.type !== 'open') session?.handle(frame);
    else if (!start.isNeverReady) {
      void pause(start.readyAfterMs).then(() => {
        session = open(frame, { store, version, resume: flags.resume, fork: flags.fork, control, output });
      });
    }
  });
}

// biome-ignore lint/style/noProcessEnv: a program of its own, whose whole environment is what tests look at.
const env: Readonly<Record<string, string>> = definedOf(process.env);

type Setting = {
  readonly store: string;
  readonly version: string;
  readonly resume: string | undefined;
  readonly fork: string | undefined;
  readonly control: Control;
  readonly output: Output;
};

function open(frame: Extract<DriverFrame, { type: 'open' }>, setting: Setting): AgentSession {
  const { control, output, version } = setting;
  const { journal, origin } = openJournal(frame, setting);
  const { nativeId } = journal;
  const log: Stage['log'] = (kind, fields) => {
    if (env.GANTRY_FAKE_LOG === undefined) return;
    const bytes = Buffer.byteLength(JSON.stringify(fields));
    const line = JSON.stringify({ at: Date.now(), session: nativeId, kind, bytes, ...fields });
    appendFileSync(env.GANTRY_FAKE_LOG, `${line}\n`);
  };
  log('open', { pid: process.pid, origin: origin.type, directory: frame.directory, model: frame.model });
  const off = new Set(frame.off);
  let hasHeartbeat = true;
  const session = new AgentSession({
    stage: {
      directory: frame.directory,
      env,
      journal,
      control,
      tools: frame.tools,
      off,
      emitRaw: (line) => output.raw(line),
      repeatLast: () => output.repeatLast(),
      disconnect: () => output.close(),
      setHeartbeat: (isOn) => {
        hasHeartbeat = isOn;
      },
      log,
    },
    script: loadScript(env.GANTRY_FAKE_SCRIPT),
    instructions: frame.instructions ?? '',
    send: (sent) => output.send(sent),
  });
  const capabilities = [
    'resume',
    'fork',
    'steer',
    'interrupt',
    'questions',
    'children',
    'reasoning',
    'cost',
    'transcript',
  ];
  output.send({ type: 'hello', version, nativeId, origin, capabilities: capabilities.filter((one) => !off.has(one)) });
  setInterval(() => {
    if (hasHeartbeat) session.heartbeat();
  }, frame.heartbeatMs);
  return session;
}

function openJournal(
  { directory, title }: { readonly directory: string; readonly title: string },
  { store, resume, fork }: Setting,
): { journal: Journal; origin: Extract<AgentFrame, { type: 'hello' }>['origin'] } {
  const wanted = resume ?? fork;
  if (wanted === undefined)
    return { journal: Journal.create(store, { directory, title, from: null }), origin: { type: 'new' } };
  const found = Journal.load(store, wanted);
  const reason = !found
    ? `the agent's store has no session ${wanted}`
    : resume !== undefined && found.directory !== directory
      ? `session ${wanted} belongs to the directory ${found.directory}, not to ${directory}`
      : null;
  if (!found || reason !== null) {
    const journal = Journal.create(store, { directory, title, from: null });
    return { journal, origin: { type: 'new-instead', reason: reason ?? '' } };
  }
  if (resume !== undefined) return { journal: found, origin: { type: 'resumed' } };
  return { journal: Journal.create(store, { directory, title, from: found }), origin: { type: 'forked' } };
}

/** Standard output, by lines. */
class Output {
  #last = '';
  #isOpen = true;

  constructor(mayEnd: boolean) {
    process.stdout.on('error', () => {
      if (mayEnd) process.exit(1);
    });
  }

  send(frame: AgentFrame): void {
    this.#last = JSON.stringify(frame);
    this.raw(this.#last);
  }

  raw(line: string): void {
    if (this.#isOpen) process.stdout.write(`${line}\n`);
  }

  repeatLast(): void {
    this.raw(this.#last);
  }

  close(): void {
    this.#isOpen = false;
    closeSync(process.stdout.fd);
  }
}

function loadScript(file: string | undefined): FakeScript {
  if (file === undefined) return { rules: [] };
  const checked = check(fakeScriptSchema, JSON.parse(readFileSync(file, 'utf8')));
  if (!checked.ok) throw new Error(`${file}: ${checked.faults.join('; ')}`);
  return checked.value;
}

function definedOf(all: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

try {
  main();
} catch (error) {
  process.stderr.write(`fake agent: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
