import { once } from 'node:events';
import { daemonEnvironment } from '../../daemon/daemon-environment.ts';
import { ensureDaemon } from '../../daemon/spawn-daemon.ts';
import { type Context, defineCommand, flag, integer, option } from '../command.ts';

export const up = defineCommand({
  options: {
    port: option('--port <n>', 'the port to listen on; default 4000, 0 takes a free one', integer(0, 65_535)),
    foreground: flag('--foreground', 'stay in this terminal; Ctrl-C stops the daemon'),
  },
  run: async (context, args) => {
    const port = args.port === undefined ? {} : { port: args.port };
    if (args.foreground) return stay(context, port);
    const { home, environment, output } = context;
    const { token: _secret, ...daemon } = await ensureDaemon({ home, environment, isStartAllowed: true, ...port });
    const word = daemon.isStarted ? 'running' : 'already running';
    output.result({ isRunning: true, ...daemon }, () => [`${word} at ${daemon.url} (pid ${daemon.pid})`]);
  },
});

/** The daemon in this process; its log goes to stderr. */
async function stay({ home, environment, output }: Context, port: { readonly port?: number }): Promise<void> {
  const { startDaemon } = await import('../../daemon/daemon.ts');
  const stopped = Promise.race(
    (['SIGINT', 'SIGTERM'] as const).map(async (name) => once(process, name).then(() => name)),
  );
  const daemon = await startDaemon({ home, ...port }, daemonEnvironment(environment, home));
  output.result({ isRunning: true, url: daemon.url, pid: process.pid }, () => [
    `running at ${daemon.url}; Ctrl-C stops it`,
  ]);
  await daemon.close(await Promise.race([stopped, daemon.stopAsked]));
}
