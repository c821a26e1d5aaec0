import { ensureDaemon } from '../../daemon/spawn-daemon.ts';
import { defineCommand, flag, integer, option } from '../command.ts';

export const up = defineCommand({
  options: {
    port: option('--port <n>', 'the port to listen on; default 4000, 0 takes a free one', integer(0, 65_535)),
    foreground: flag('--foreground', 'stay in this terminal; Ctrl-C stops the daemon'),
  },
  run: async ({ home, environment, output }, args) => {
    if (args.foreground) {
      const { runDaemon } = await import('../../daemon/daemon.ts');
      return runDaemon({ home, ...(args.port !== undefined && { port: args.port }) });
    }
    const { token: _secret, ...daemon } = await ensureDaemon({
      home,
      environment,
      isStartAllowed: true,
      ...(args.port !== undefined && { port: args.port }),
    });
    const word = daemon.isStarted ? 'running' : 'already running';
    output.result({ isRunning: true, ...daemon }, () => [`${word} at ${daemon.url} (pid ${daemon.pid})`]);
    return 0;
  },
});
