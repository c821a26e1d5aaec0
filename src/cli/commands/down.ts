import { stopDaemon } from '../../daemon/spawn-daemon.ts';
import { defineCommand, option, time } from '../command.ts';

const GRACE_MS = 15_000;

export const down = defineCommand({
  options: { graceMs: option('--grace <time>', 'how long it may take before it is ended by force; default 15s', time) },
  run: async ({ home, output }, args) => {
    const stopped = await stopDaemon(home, { graceMs: args.graceMs ?? GRACE_MS });
    output.result({ isRunning: false, wasRunning: stopped !== null, ...stopped }, () => {
      if (stopped === null) return ['was not running'];
      return [`stopped (pid ${stopped.pid})${stopped.isKilled ? ', by force' : ''}`];
    });
  },
});
