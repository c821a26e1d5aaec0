import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hookCommand, hookScript, hookScriptOf, spoolOf } from '../../src/daemon/hook-script.ts';
import { type BenchHome, benchHome } from './bench-home.ts';
import { type Measure, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const EVENT = JSON.stringify({
  session_id: 'a-session',
  hook_event_name: 'PostToolUse',
  tool_name: 'Bash',
  tool_input: { command: 'ls' },
  tool_response: 'x'.repeat(600),
});

/** What the hook line of Claude Code costs its caller. */
export const hook: Measure = {
  name: 'hook',
  title: 'A hook of Claude Code',
  how: 'The installed line, from spawn to exit, with an event of 700 bytes, in turn with a shell that only ends, which is the least that is possible. Hanging: the daemon is stopped by a signal.',
  run: async ({ isQuick }) => {
    await using home = await benchHome();
    mkdirSync(dirname(hookScriptOf(home.root)), { recursive: true });
    mkdirSync(spoolOf(home.root), { recursive: true });
    writeFileSync(hookScriptOf(home.root), hookScript(home.root));
    chmodSync(hookScriptOf(home.root), 0o700);
    const rounds = isQuick ? 20 : 100;
    const down = await repeat(rounds, () => both(home));
    await using daemon = await home.up();
    const up = await repeat(rounds, () => both(home));
    process.kill(daemon.pid, 'SIGSTOP');
    const hanging = await repeat(rounds, () => both(home)).finally(() => process.kill(daemon.pid, 'SIGCONT'));
    const GOAL_MS = 15;
    const rows = (name: string, of: typeof up): ReturnType<typeof sampled> =>
      sampled(
        `hook line, daemon ${name}`,
        'ms',
        of.map(({ line }) => line),
        GOAL_MS,
      );
    return [
      sampled(
        'sh -c "exit 0"',
        'ms',
        [...down, ...up, ...hanging].map(({ least }) => least),
      ),
      rows('up', up),
      rows('down', down),
      rows('hanging', hanging),
    ];
  },
};

const both = async ({ root, env }: BenchHome): Promise<{ readonly least: number; readonly line: number }> => ({
  least: await timed(() => shell('exit 0', env)),
  line: await timed(() => shell(hookCommand(root), env)),
});

async function shell(command: string, env: BenchHome['env']): Promise<void> {
  const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['pipe', 'ignore', 'ignore'] });
  // One that only ends does not read.
  child.stdin.on('error', () => undefined);
  child.stdin.end(EVENT);
  await once(child, 'exit');
}
