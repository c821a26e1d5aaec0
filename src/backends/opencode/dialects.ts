import { AppError } from '../../contract/errors.ts';
import type { Dialect } from './dialect.ts';
import type { Http } from './http.ts';
import { dialectV1, TESTED_VERSION } from './v1/v1.ts';

const [TESTED_MAJOR, TESTED_MINOR] = TESTED_VERSION.split('.');

export type VersionCheck = { readonly problem: string | null; readonly notice: string | null };

export function checkVersion(version: string): VersionCheck {
  const [major, minor] = version.split('.');
  if (major !== TESTED_MAJOR) {
    const problem = `OpenCode ${version} was found; Gantry drives OpenCode ${TESTED_MAJOR}.x (tested with ${TESTED_VERSION}): npm install -g opencode-ai@${TESTED_VERSION}`;
    return { problem, notice: null };
  }
  const notice = `OpenCode ${version} is not the tested version ${TESTED_VERSION}`;
  return { problem: null, notice: minor === TESTED_MINOR ? null : notice };
}

/** The commands for a server of that version. @throws AppError `backend_version`, naming both versions. */
export function dialectFor(version: string, http: Http): Dialect {
  const { problem } = checkVersion(version);
  if (problem !== null) throw new AppError('backend_version', problem);
  return dialectV1(http);
}

/** The version of a healthy server: the one route that every version has. @throws HttpFailure */
export async function versionOf(http: Http, limitMs: number): Promise<string> {
  const { body } = await http.send({ path: '/global/health', limitMs });
  const version = typeof body === 'object' && body !== null && 'version' in body ? body.version : null;
  if (typeof version !== 'string')
    throw new AppError('backend_version', `${http.url} does not tell a version of OpenCode`);
  return version;
}
