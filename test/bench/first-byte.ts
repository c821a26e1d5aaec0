import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { scriptedPrompt } from '../support/opencode.ts';
import { opencodeConfig } from './agents.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import { type DirectOpencode, directOpencode } from './direct-opencode.ts';
import { clockNow, type FactWatch } from './fact-watch.ts';
import { submitOne } from './one-task.ts';
import { type Measure, type Row, sampled, single } from './report.ts';
import { median, repeat } from './sample.ts';

const MOST = 1.1;
const DELAY_MS = 500;

/** What a person waits for. */
export const firstByte: Measure = {
  name: 'first-byte',
  title: 'From the prompt to the first byte of the answer',
  how: `On real OpenCode and the scripted model, whose first word comes at once, which no real model does, or after ${DELAY_MS} ms. Straight: one's own prompt and reader of \`/global/event\` at an OpenCode server that was started with the same profile. Each straight one is followed by one through Gantry with a WebSocket reader, so that a change of load meets both. First from an open session in a fresh worktree, as every attempt has: Gantry gives the prompt, and writes each piece of the answer down durably before it goes on to the reader. Then a person's view of one prompt in one and the same directory (\`gantry exec\`), with the making of the session: Gantry lets OpenCode forget the directory after each, which the straight one does not.`,
  run: async ({ isQuick }) => {
    await using model = await startScriptedModel({});
    const config = opencodeConfig(model.url);
    await using home = await benchHome(config);
    await using daemon = await home.up();
    const watch = await daemon.watch();
    await using direct = await directOpencode(home.root, home.project, config.backends?.opencode ?? {});
    const sides = { direct, home, daemon, watch };
    await repeat(2, () => inWorktree(sides, 0));
    const n = isQuick ? 3 : 12;
    const atOnce = await repeat(n, () => inWorktree(sides, 0));
    const later = await repeat(n, () => inWorktree(sides, DELAY_MS));
    const whole = await repeat(n, () => byExec(sides));
    return [
      ...rowsOf('open session, model at once', atOnce, MOST),
      ...rowsOf(`open session, model after ${DELAY_MS} ms`, later, MOST),
      ...rowsOf('exec, model at once', whole, null),
    ];
  },
};

type Sides = {
  readonly direct: DirectOpencode;
  readonly home: BenchHome;
  readonly daemon: BenchDaemon;
  readonly watch: FactWatch;
};
/** Milliseconds to the first byte. */
type Pair = { readonly straight: number; readonly gantry: number };

const promptOf = (delayMs: number): string =>
  scriptedPrompt({ text: 'one two three four five six seven eight', chunks: 8, delayMs });

async function inWorktree(sides: Sides, delayMs: number): Promise<Pair> {
  const { direct, home, daemon, watch } = sides;
  const prompt = promptOf(delayMs);
  const session = await direct.createSession(await home.worktree());
  const began = clockNow();
  const straight = (await session.firstByte(prompt)) - began;
  // Nobody else works here: what comes next is of this request.
  const opened = watch.next('a session', (fact) => fact.kind === 'session.changed' && fact.data.to === 'running');
  const first = watch.next('a piece of the answer', (fact) => fact.kind === 'text.delta');
  const task = await submitOne(home, daemon, watch, prompt);
  const gantry = (await first).at - (await opened).fact.at;
  await task.done;
  return { straight, gantry };
}

async function byExec({ direct, home, daemon: { client }, watch }: Sides): Promise<Pair> {
  const prompt = promptOf(0);
  const straightBegan = clockNow();
  const session = await direct.createSession(home.project);
  const straight = (await session.firstByte(prompt)) - straightBegan;
  const first = watch.next('a piece of the answer', (fact) => fact.kind === 'text.delta');
  const began = clockNow();
  const { sessionId } = await client.call('exec.start', { prompt, directory: home.project });
  const gantry = (await first).at - began;
  const { state } = await client.call('exec.wait', { id: sessionId, waitMs: 20_000 });
  if (state !== 'done') throw new Error(`an exec of the benchmark is ${state}`);
  return { straight, gantry };
}

function rowsOf(what: string, pairs: readonly Pair[], most: number | null): Row[] {
  const own = pairs.map(({ straight }) => straight);
  const ours = pairs.map(({ gantry }) => gantry);
  const ratio = median(ours) / median(own);
  const goal = most === null ? null : { text: `≤ ${most}`, isMet: ratio <= most };
  return [
    sampled(`${what}: straight`, 'ms', own),
    sampled(`${what}: through Gantry`, 'ms', ours),
    single('… ratio of the medians', '×', ratio, pairs.length, goal),
  ];
}
