import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { benchHome, CLI } from './bench-home.ts';
import { type Measure, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const run = promisify(execFile);

/** What a command costs before it does anything. */
export const commands: Measure = {
  name: 'commands',
  title: 'Start of a command',
  how: 'The built program from spawn to exit, in turn with an empty Node, which is the least that is possible. `gantry status` asks a running daemon.',
  run: async ({ isQuick }) => {
    await using home = await benchHome();
    await using _daemon = await home.up();
    const node = (...args: string[]): Promise<number> => timed(() => run(process.execPath, args, { env: home.env }));
    const rounds = await repeat(isQuick ? 5 : 20, async () => ({
      node: await node('-e', '0'),
      version: await node(CLI, '--version'),
      status: await node(CLI, 'status'),
    }));
    return [
      sampled(
        'node -e 0',
        'ms',
        rounds.map(({ node: ms }) => ms),
      ),
      sampled(
        'gantry --version',
        'ms',
        rounds.map(({ version }) => version),
        80,
      ),
      sampled(
        'gantry status',
        'ms',
        rounds.map(({ status }) => status),
        200,
      ),
    ];
  },
};
