import { parseArgs } from 'node:util';
import { runDaemon } from './daemon.ts';

/** The daemon as a program of its own: `node main.ts --home DIR [--port N]`. Arguments come from `spawn-daemon.ts`. */
const { values } = parseArgs({ options: { home: { type: 'string' }, port: { type: 'string' } } });
const code = await runDaemon({
  ...(values.home !== undefined && { home: values.home }),
  ...(values.port !== undefined && { port: Number(values.port) }),
});
// Everything is closed: nothing that was forgotten may keep the process alive.
process.exit(code);
