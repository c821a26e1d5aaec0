import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Access } from '../api/access.ts';
import { pause } from '../base/wait.ts';
import { jsonOf, openSend } from '../client/send.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { DoctorCheck, Scope } from '../contract/shapes.ts';
import { notice, ok, problem } from './doctor-checks.ts';
import { SPOOLED, spoolOf, UNREADABLE } from './hook-script.ts';
import { localFetch } from './local-fetch.ts';
import { pluginFileOf, pluginTokenFileOf, readChanges, readPersonsFile } from './plugin-files.ts';

export type EventDoctorParts = {
  readonly home: string;
  readonly access: Access;
  /** Where the daemon answers. */
  readonly urlNow: () => string;
};

/** The spool is read at once, and after an error each second: what is still there then is not being read. */
const SPOOL_LOOK_MS = 2_500;
const ROUND_TRIP_LIMIT_MS = 5_000;
const TOKEN_TTL_MS = 60_000;
const MARKER = 'gantry-doctor';

const Recorded = z.array(z.object({ session_id: z.string() }));

/** Looks at the ways on which outside programs tell of events. Leaves one marker event, of the source `gantry-doctor`. */
export const checkEvents = async (parts: EventDoctorParts): Promise<DoctorCheck[]> => [
  ...(await orSaid('plugin', async () => checkPlugin(parts))),
  ...(await orSaid('spool', () => checkSpool(parts))),
  ...(await checkRoundTrip(parts)),
];

/** A file that cannot be read is a finding, and no end of all the others. */
async function orSaid(name: string, look: () => Promise<DoctorCheck[]>): Promise<DoctorCheck[]> {
  try {
    return await look();
  } catch (error) {
    return [notice(name, toAppError(error).message, 'mend or remove the file; then install the plugin anew')];
  }
}

function checkPlugin({ home, access }: EventDoctorParts): DoctorCheck[] {
  const plugin = pluginFileOf(home);
  if (!existsSync(plugin)) return [ok('plugin', 'not installed in an OpenCode of yours')];
  const file = pluginTokenFileOf(home);
  const token = readPersonsFile(file);
  const isGood = token !== null && access.verify(token.trim()) !== null;
  const told = isGood
    ? []
    : [`the plugin can tell nothing: ${token === null ? 'no token' : 'no valid token'} in ${file}`];
  const url = pathToFileURL(plugin).href;
  const edited = readChanges(home).flatMap((change) => (change.agent === 'opencode' ? [change.file] : []));
  const without = edited.filter((one) => !readPersonsFile(one)?.includes(url));
  const faults = [...told, ...without.map((one) => `OpenCode does not load the plugin: its entry in ${one} is gone`)];
  if (faults.length > 0) return faults.map((fault) => notice('plugin', fault, 'gantry plugin install opencode'));
  return [ok('plugin', 'installed for OpenCode, its token is valid')];
}

async function checkSpool({ home }: EventDoctorParts): Promise<DoctorCheck[]> {
  const directory = spoolOf(home);
  const before = await waitingIn(directory);
  if (before.length > 0) await pause(SPOOL_LOOK_MS);
  const waiting = spoolCheck(before, before.length > 0 ? await waitingIn(directory) : []);
  const aside = (await readdir(directory)).filter((name) => name.endsWith(UNREADABLE)).length;
  if (aside === 0) return [waiting];
  const fault = `events of hooks that could not be read and were set aside: ${aside}`;
  return [waiting, notice('spool', fault, `look at ${join(directory, `*${UNREADABLE}`)}, then remove it`)];
}

const waitingIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith(SPOOLED) && !name.startsWith('.'));

/** Of two looks at the names in the spool. Pure. */
export function spoolCheck(before: readonly string[], after: readonly string[]): DoctorCheck {
  const stuck = before.filter((name) => after.includes(name));
  if (stuck.length === 0) return ok('spool', after.length === 0 ? 'no event waits' : 'it is being read');
  const grows = after.length > before.length ? `, and more come (${before.length} before)` : '';
  const repair = '`gantry logs` says what keeps the daemon from reading it; a full disk does';
  return notice('spool', `events of hooks that wait and are not read: ${after.length}${grows}`, repair);
}

/** As a hook does it: with a token that can do no more, over HTTP. */
async function checkRoundTrip({ access, urlNow }: EventDoctorParts): Promise<DoctorCheck[]> {
  const session = `doctor-${randomUUID()}`;
  const made: string[] = [];
  const sendWith = (scope: Scope, bound: { readonly sourceApp?: string } = {}) => {
    const { token, info } = access.create({ name: MARKER, scope, ttlMs: TOKEN_TTL_MS, ...bound });
    made.push(info.id);
    return openSend({ url: urlNow(), token, fetch: localFetch });
  };
  const began = performance.now();
  try {
    const signal = AbortSignal.timeout(ROUND_TRIP_LIMIT_MS);
    const marker = { source_app: MARKER, session_id: session, hook_event_type: 'DoctorMarker', payload: {} };
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(marker) };
    await (await sendWith('ingest', { sourceApp: MARKER })('/events', { ...init, signal })).text();
    const answer = await sendWith('read')(`/events/recent?session_id=${session}`, { signal });
    const read = Recorded.safeParse(jsonOf(await answer.text())).data ?? [];
    const count = read.filter(({ session_id }) => session_id === session).length;
    if (count !== 1) throw new AppError('internal', `the one that was taken is there ${count} times`);
    return [ok('events', `one was posted and read back in ${Math.ceil(performance.now() - began)} ms`)];
  } catch (error) {
    const repair = 'free some space if the disk is full, else see `gantry logs`';
    return [problem('events', `an event could not be posted and read back: ${toAppError(error).message}`, repair)];
  } finally {
    for (const id of made) access.revoke(id);
  }
}
