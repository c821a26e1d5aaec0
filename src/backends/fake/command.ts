import { fileURLToPath } from 'node:url';
import type { BackendContext } from '../backend.ts';
import { AGENT_VERSION } from './wire.ts';

/** What the agent of this package is made of: its code, and what says how that is to be read. */
export const PACKAGE = ['../..', '../../../package.json', '../../../node_modules'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** The program and its first arguments: the configured one, else the agent of this package. */
export function commandOf({ settings }: BackendContext): readonly [string, ...string[]] {
  const [program, ...args] = settings.command ?? [];
  if (program !== undefined) return [program, ...args];
  const main = import.meta.url.endsWith('.ts') ? './agent/main.ts' : './agent/main.js';
  return [process.execPath, fileURLToPath(new URL(main, import.meta.url))];
}

/** Null if the driver can work with that version. */
export function versionProblem(version: string): string | null {
  if (version.split('.')[0] === AGENT_VERSION.split('.')[0]) return null;
  return `the fake agent has version ${version}; this Gantry drives ${AGENT_VERSION} and later minor versions`;
}
