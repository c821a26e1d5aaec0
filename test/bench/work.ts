import type { Config } from '../../src/contract/config.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { opencodeProgram, scriptedConfig, scriptedPrompt } from '../support/opencode.ts';
import { COMPILE_CACHE } from '../support/temp.ts';
import { directOpencode } from './direct-opencode.ts';
import { allOver, arrivals, openStage, type Stage } from './stage.ts';
import { median, type Row, rowOf } from './stats.ts';

const FAKE_TASK = 'Say it. @@fake [{"text":"done"}]';
const MODEL_TASK = `Say it. ${scriptedPrompt({ text: 'one two three four five six', chunks: 6 })}`;

const fakeConfig = (maxParallel: number): Config => ({
  defaultBackend: 'fake',
  limits: { maxParallel },
  backends: { fake: { env: { ...COMPILE_CACHE } } },
});
const opencodeConfig = (modelUrl: string, maxParallel: number): Config => ({
  defaultBackend: 'opencode',
  limits: { maxParallel },
  backends: { opencode: { command: [opencodeProgram()], profile: 'private', config: scriptedConfig(modelUrl) } },
});

const between = (seen: ReadonlyMap<string, number>, from: string, to: string): number =>
  (seen.get(to) ?? Number.NaN) - (seen.get(from) ?? Number.NaN);

/** Gantry's own way from a submitted request to its agent, and from a prompt to the first words of the answer. */
export async function overhead(n: number): Promise<Row[]> {
  const rows: Row[] = [];
  {
    await using stage = await openStage(fakeConfig(3));
    const values: number[] = [];
    for (let i = 0; i < n; i += 1) values.push(between(await arrivals(stage, FAKE_TASK), 'submit', 'prompt.accepted'));
    rows.push(
      rowOf(
        { name: 'submit → first prompt accepted, fake', unit: 'ms', values },
        'worktree and agent process included',
      ),
    );
  }
  await using model = await startScriptedModel({});
  await using stage = await openStage(opencodeConfig(model.url, 3));
  const cold = between(await arrivals(stage, MODEL_TASK), 'submit', 'prompt.accepted');
  rows.push(
    rowOf({ name: 'submit → first prompt accepted, OpenCode, cold', unit: 'ms', values: [cold] }, 'starts the server'),
  );
  await using direct = await directOpencode(model.url);
  const warm: number[] = [];
  const through: number[] = [];
  const straight: number[] = [];
  for (let i = 0; i < n; i += 1) {
    const seen = await arrivals(stage, MODEL_TASK);
    warm.push(between(seen, 'submit', 'prompt.accepted'));
    through.push(between(seen, 'prompt.accepted', 'text.delta'));
    straight.push(await direct.once(MODEL_TASK));
  }
  rows.push(
    rowOf(
      { name: 'submit → first prompt accepted, OpenCode, warm', unit: 'ms', values: warm },
      'worktree and session included',
    ),
  );
  const bare = rowOf({ name: 'prompt accepted → first byte, straight to OpenCode', unit: 'ms', values: straight });
  const ratio = rowOf({ name: '', unit: '', values: [median(through) / median(straight)] }).median.trim();
  rows.push(
    bare,
    rowOf(
      { name: 'prompt accepted → first byte at a live reader of Gantry', unit: 'ms', values: through },
      `× ${ratio} of the row above`,
    ),
  );
  return rows;
}

/** How much work goes through. */
export async function throughput(isQuick: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const atOnce of [1, 5, 20]) {
    await using stage = await openStage(fakeConfig(atOnce));
    rows.push(await perMinute(stage, `attempts per minute, fake, ${atOnce} at once`, FAKE_TASK, isQuick ? 5 : 20));
  }
  await using model = await startScriptedModel({});
  for (const atOnce of isQuick ? [1] : [1, 5]) {
    await using stage = await openStage(opencodeConfig(model.url, atOnce));
    await arrivals(stage, MODEL_TASK);
    rows.push(await perMinute(stage, `attempts per minute, OpenCode, ${atOnce} at once`, MODEL_TASK, isQuick ? 3 : 10));
  }
  return rows;
}

async function perMinute(stage: Stage, name: string, text: string, count: number): Promise<Row> {
  const began = performance.now();
  const ids = await Promise.all(Array.from({ length: count }, () => stage.submit(text)));
  await allOver(stage, ids);
  const minutes = (performance.now() - began) / 60_000;
  return { ...rowOf({ name, unit: '', values: [count / minutes] }), n: count };
}
