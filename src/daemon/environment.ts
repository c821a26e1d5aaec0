import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of this process: the only place that reads them. */
export const processEnvironment = (): Environment => ({ ...process.env });

/** What the variable says; an empty one counts as absent. */
export const variable = (environment: Environment, name: string): string | undefined => environment[name] || undefined;

/** Where Gantry keeps its files: `GANTRY_HOME`, else `gantry` in the XDG data directory (which must be absolute to count). */
export function homeFrom(environment: Environment): string {
  const home = variable(environment, 'GANTRY_HOME');
  if (home !== undefined) return resolve(home);
  const data = variable(environment, 'XDG_DATA_HOME');
  if (data !== undefined && isAbsolute(data)) return join(data, 'gantry');
  return join(variable(environment, 'HOME') ?? homedir(), '.local', 'share', 'gantry');
}

/** The daemon that a client was told to use; what is absent is read from the home. */
export function connectionFrom(environment: Environment): { readonly url?: string; readonly token?: string } {
  const url = variable(environment, 'GANTRY_URL');
  const token = variable(environment, 'GANTRY_TOKEN');
  return { ...(url !== undefined && { url }), ...(token !== undefined && { token }) };
}
