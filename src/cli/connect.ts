import { type Client, createClient } from '../client/client.ts';
import { AppError } from '../contract/errors.ts';
import { connectionFrom, type Environment } from '../daemon/environment.ts';
import { findDaemon, type RunningDaemon } from '../daemon/find-daemon.ts';
import { localFetch } from '../daemon/local-fetch.ts';
import { readAdminToken } from '../daemon/tokens-file.ts';
import type { Globals } from './globals.ts';

/**
 * The client of the daemon that was named, or of this home's, which is started if need be.
 * @throws AppError daemon_unreachable, unauthorized, or what kept the daemon from starting
 */
export async function connect({
  globals,
  environment,
  home,
}: {
  readonly globals: Globals;
  readonly environment: Environment;
  readonly home: string;
}): Promise<Client> {
  const named = connectionFrom(environment);
  const url = globals.url ?? named.url;
  const token = globals.token ?? named.token;
  // Loaded only then: what starts a daemon takes longer to load than what finds one.
  const ensure = async (): Promise<RunningDaemon> => {
    const { ensureDaemon } = await import('../daemon/spawn-daemon.ts');
    return await ensureDaemon({ home, environment, isStartAllowed: !globals.mustRun });
  };
  if (url === undefined) {
    const daemon = (await findDaemon(home)) ?? (await ensure());
    return clientOf(daemon.url, token ?? daemon.token);
  }
  const known = token ?? readAdminToken(home);
  if (known === null) {
    throw new AppError('unauthorized', `no token for ${url}`, {
      details: { remedy: 'Give one by --token or GANTRY_TOKEN.' },
    });
  }
  return clientOf(url, known);
}

export const clientOf = (url: string, token: string): Client =>
  createClient({ url, token, ...(url.startsWith('http:') && { fetch: localFetch }) });
