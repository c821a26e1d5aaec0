import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import type { Client } from '../client/client.ts';
import { homeFrom, processEnvironment, variable } from '../daemon/environment.ts';
import type { Context, Shell } from './command.ts';
import type { Globals } from './globals.ts';
import { Output } from './output.ts';

/** The output of this process. */
export function createOutput({ isJson, isQuiet }: Pick<Globals, 'isJson' | 'isQuiet'>): Output {
  const environment = processEnvironment();
  return new Output({
    stdout: process.stdout,
    stderr: process.stderr,
    isJson,
    isQuiet,
    isColourWanted: variable(environment, 'NO_COLOR') === undefined && environment.TERM !== 'dumb',
  });
}

export function createContext(globals: Globals, shell: Shell): Context {
  const environment = processEnvironment();
  const { stdin, stdout } = process;
  const home = globals.home === null ? homeFrom(environment) : resolve(globals.home);
  let client: Promise<Client> | null = null;
  const connect = async (): Promise<Client> => {
    const { connect: open } = await import('./connect.ts');
    return open({ globals, environment, home });
  };
  return {
    output: createOutput(globals),
    globals,
    shell,
    environment,
    home,
    directory: process.cwd(),
    clock: systemClock,
    stdin,
    isInteractive: stdin.isTTY === true && stdout.isTTY === true && !globals.isJson,
    client: () => {
      client ??= connect();
      return client;
    },
  };
}

/** A project as the API wants it: a path made absolute, or a registered name. */
export function projectFrom(context: Context, given: string | undefined): string {
  if (given === undefined) return context.directory;
  const path =
    given === '~' || given.startsWith('~/') ? join(homedir(), given.slice(1)) : resolve(context.directory, given);
  const isPath = /[/\\]|^[.~]/.test(given) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isPath ? path : given;
}
