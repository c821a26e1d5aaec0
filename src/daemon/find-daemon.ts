import { type DaemonRecord, readDaemonFile } from './daemon-file.ts';
import { localFetch } from './local-fetch.ts';
import { readAdminToken } from './tokens-file.ts';

export type RunningDaemon = {
  readonly url: string;
  /** The home's admin token. */
  readonly token: string;
  readonly pid: number;
  readonly version: string;
  /** Whether this call started it. */
  readonly isStarted: boolean;
};

const ANSWER_LIMIT_MS = 5_000;

/** The daemon of this home, if one runs and is ready. @throws AppError bad_config */
export async function findDaemon(home: string): Promise<RunningDaemon | null> {
  const record = readDaemonFile(home);
  const token = record && readAdminToken(home);
  if (!record || token === null) return null;
  const { url, pid, version } = record;
  return (await isReady(record, token)) ? { url, pid, version, token, isStarted: false } : null;
}

/** `/readyz` answers 200. Where nobody listens (yet) or the daemon is busy, whoever waits asks again. */
async function isReady({ url }: DaemonRecord, token: string): Promise<boolean> {
  const headers = { Authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const ask = async (): Promise<boolean> => {
    const answer = await localFetch(`${url}/readyz`, { headers, redirect: 'error', signal });
    await answer.text();
    return answer.ok;
  };
  return await ask().catch(() => false);
}
