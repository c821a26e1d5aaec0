import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { type AgentName, fakeConfig, opencodeConfig, PROMPTS } from './agents.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import type { FactWatch } from './fact-watch.ts';
import { submitOne } from './one-task.ts';
import { type Measure, type Row, sampled, single } from './report.ts';

/** How much work goes through. */
export const attempts: Measure = {
  name: 'attempts',
  title: 'Attempts per minute',
  how: 'So many requests of one task at once, each submitted when the one before has ended, for a while. An attempt is everything: worktree, session, a turn that writes a file, commit, collecting it on the request’s branch, removing the worktree. The model answers at once, so this is what Gantry, git and the agent program take of the processors.',
  run: async ({ isQuick }) => {
    const ms = isQuick ? 4_000 : 15_000;
    await using model = await startScriptedModel({});
    return [
      ...(await through('fake', await benchHome(fakeConfig), isQuick ? [1, 5] : [1, 5, 20], ms)),
      ...(await through('opencode', await benchHome(opencodeConfig(model.url)), [1, 5], ms)),
    ];
  },
};

async function through(name: AgentName, opened: BenchHome, widths: readonly number[], ms: number): Promise<Row[]> {
  await using home = opened;
  await using daemon = await home.up();
  const watch = await daemon.watch('?classes=state');
  const text = PROMPTS[name].write;
  // OpenCode's server starts with the first.
  await (await submitOne(home, daemon, watch, text)).done;
  const rows: Row[] = [];
  for (const width of widths) rows.push(...(await flood({ name, width, ms }, { home, daemon, watch })));
  return rows;
}

async function flood(
  { name, width, ms }: { readonly name: AgentName; readonly width: number; readonly ms: number },
  { home, daemon, watch }: { readonly home: BenchHome; readonly daemon: BenchDaemon; readonly watch: FactWatch },
): Promise<Row[]> {
  const began = performance.now();
  const each: number[] = [];
  const worker = async (): Promise<void> => {
    while (performance.now() - began < ms) {
      const { done } = await submitOne(home, daemon, watch, PROMPTS[name].write);
      each.push(await done);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  const minutes = (performance.now() - began) / 60_000;
  const agent = name === 'fake' ? 'fake agent' : 'OpenCode';
  return [
    single(`${agent}, ${width} at once`, 'per minute', each.length / minutes, each.length),
    sampled('… one of them', 'ms', each),
  ];
}
