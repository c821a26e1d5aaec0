import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { deferred, within } from '../../src/base/wait.ts';
import { type ClaudeBench, claudeBench, claudeProgram, scriptedClaude } from '../support/claude.ts';
import { scriptedPrompt } from '../support/opencode.ts';
import { environmentFor } from '../support/temp.ts';
import { clockNow } from './fact-watch.ts';
import { type Measure, sampled, single } from './report.ts';
import { median, repeat } from './sample.ts';

type Start = { readonly ready: number; readonly firstByte: number };

const PROMPT = scriptedPrompt({ text: 'one two three four', chunks: 4 });
const LIMIT_MS = 60_000;
const STREAM = ['--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'];

/** What the driver adds to the program that it drives. */
export const claudeStart: Measure = {
  name: 'claude',
  title: 'A start of Claude Code and its first prompt',
  how: 'Real Claude Code on the scripted model, whose first word comes at once, with an empty home. Bare: the program by hand with its stream-json protocol, from the spawn to its answer to `initialize`, then from the prompt to the first piece of the answer. Through Gantry: the same by its driver, from `open` to the session and from `prompt` to the first event, with the gate before every tool and all other options. The two take turns, so that a change of load meets both.',
  run: async ({ isQuick }) => {
    await using bench = await claudeBench();
    const pairs = await repeat(isQuick ? 3 : 10, async () => ({
      bare: await bare(bench),
      driven: await driven(bench),
    }));
    const rows = (['ready', 'firstByte'] as const).flatMap((part) => {
      const what = part === 'ready' ? 'spawn to ready' : 'first prompt to first byte';
      const own = pairs.map((pair) => pair.bare[part]);
      const ours = pairs.map((pair) => pair.driven[part]);
      return [
        sampled(`${what}: bare`, 'ms', own),
        sampled(`${what}: through Gantry`, 'ms', ours),
        single('… ratio of the medians', '×', median(ours) / median(own), pairs.length),
      ];
    });
    return rows;
  },
};

async function driven({ backend, open }: ClaudeBench): Promise<Start> {
  const began = clockNow();
  await using live = await open(backend());
  const ready = clockNow() - began;
  const prompted = clockNow();
  const { prompt } = await live.send(PROMPT);
  await live.events.first('text-delta');
  const firstByte = clockNow() - prompted;
  await live.end(prompt);
  return { ready, firstByte };
}

async function bare({ home, project, model }: ClaudeBench): Promise<Start> {
  const own = join(home, 'bare');
  await mkdir(own, { recursive: true });
  const env = { ...environmentFor(own), ...scriptedClaude(model.url).env, CLAUDE_CONFIG_DIR: join(own, 'config') };
  const quiet = { DISABLE_AUTOUPDATER: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' };
  const began = clockNow();
  const child = spawn(claudeProgram(), ['--print', ...STREAM, '--include-partial-messages'], {
    cwd: project,
    env: { ...env, ...quiet },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout });
  const send = (line: object): unknown => child.stdin.write(`${JSON.stringify(line)}\n`);
  const isReady = heard(lines, '"control_response"');
  send({ type: 'control_request', request_id: '1', request: { subtype: 'initialize' } });
  const ready = (await isReady) - began;
  const isBegun = heard(lines, '"text_delta"');
  const prompted = clockNow();
  send({ type: 'user', message: { role: 'user', content: PROMPT }, parent_tool_use_id: null });
  const firstByte = (await isBegun) - prompted;
  child.stdin.end();
  await once(child, 'exit');
  return { ready, firstByte };
}

/** When the first line with that sign was here. */
async function heard(lines: Interface, sign: string): Promise<number> {
  const found = deferred<number>();
  const look = (line: string): void => {
    if (line.includes(sign)) found.resolve(clockNow());
  };
  lines.on('line', look);
  try {
    return await within(found.promise, LIMIT_MS, () => new Error(`the bare program did not say ${sign}`));
  } finally {
    lines.off('line', look);
  }
}
