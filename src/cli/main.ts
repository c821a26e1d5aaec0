#!/usr/bin/env node
import { readFileSync } from 'node:fs';

const argv = process.argv.slice(2);

/** Leaves when everything is written. The only way out. */
function leave(code: number): void {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

// Whoever reads us has seen enough: that is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
};

/** Says in words what went wrong; the exit code comes with the error's code. */
async function fail(thrown: unknown): Promise<void> {
  const [{ ERRORS, toAppError }, { createOutput }] = await Promise.all([
    import('../contract/errors.ts'),
    import('./context.ts'),
  ]);
  const error = toAppError(thrown);
  const isJson = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json');
  createOutput({ isJson, isQuiet: false }).failure(error);
  leave(ERRORS[error.code].exit);
}

async function main(): Promise<void> {
  if (argv[0] === '--version' || argv[0] === '-V') {
    process.stdout.write(`${version()}\n`);
    return leave(0);
  }
  const [{ parse }, { COMMANDS }] = await Promise.all([import('./program.ts'), import('./table.ts')]);
  const invocation = await parse(argv);
  if (invocation.type !== 'run') {
    process.stdout.write(invocation.type === 'version' ? `${version()}\n` : invocation.text);
    return leave(0);
  }
  const { createContext } = await import('./context.ts');
  leave(
    (await invocation.command.run(createContext(invocation.globals, { commands: COMMANDS, parse }), invocation.args)) ??
      0,
  );
}

process.on('uncaughtException', (error) => void fail(error));
main().catch(fail);
