import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenSpec } from '../../backends/backend.ts';
import type { Attempt } from '../../contract/attempt.ts';
import { type Isolation, strongest } from '../../contract/isolation.ts';
import type { Request } from '../../contract/request.ts';
import type { Parts } from '../parts.ts';
import type { Settings } from '../settings.ts';

/** What an agent of a role runs behind: the strongest that the project, the role or the request asks for. */
export const isolationOf = (
  { isolation, roles }: Pick<Settings, 'isolation' | 'roles'>,
  role: string,
  asked: Request['options']['isolation'] | undefined,
): Isolation => strongest([isolation, roles[role]?.isolation, asked]);

/** Of an isolated workspace, what its agent program keeps: shared with no other, and short, as sockets are made below it. */
const homeOf = ({ workspaces }: Parts, { workspace }: Pick<Attempt, 'workspace'>): string =>
  join(workspaces, '..', 'isolated', createHash('sha256').update(workspace).digest('hex').slice(0, 12));

/** Where the session of a workspace runs. @throws AppError `isolation_missing` */
export async function isolatedPlace(
  parts: Parts,
  attempt: Pick<Attempt, 'isolation' | 'workspace'>,
): Promise<Pick<OpenSpec, 'isolated'>> {
  if (attempt.isolation === 'process') return {};
  const host = await parts.hostFor(attempt.isolation);
  const home = homeOf(parts, attempt);
  await mkdir(home, { recursive: true, mode: 0o700 });
  return { isolated: { host, home } };
}

/** Of a workspace that is left. Its program may still be writing its last. */
export const removeIsolatedHome = (parts: Parts, attempt: Pick<Attempt, 'workspace'>): Promise<void> =>
  rm(homeOf(parts, attempt), { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
