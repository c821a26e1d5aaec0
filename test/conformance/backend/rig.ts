import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type {
  Backend,
  BackendContext,
  Capabilities,
  OpenSpec,
  PermissionProfile,
} from '../../../src/backends/backend.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { until } from '../../../src/base/wait.ts';
import type { BackendSettings } from '../../../src/contract/config.ts';
import type { BackendId } from '../../../src/contract/ids.ts';
import type { Usage } from '../../../src/contract/usage.ts';
import { localHost } from '../../../src/hosts/local.ts';
import { LIMIT_MS, LiveSession, MemoryBook, openSpec } from '../../support/backend-session.ts';
import { leftovers } from '../../support/leftovers.ts';
import { environmentFor } from '../../support/temp.ts';

/** What the agent is made to do: each gives the words of a prompt. After a tool the answer is `heard: <its output>`. */
export type Scenes = {
  readonly answer: (text: string, chunks?: number) => string;
  readonly reason: (reasoning: string, text: string) => string;
  readonly write: (path: string, content: string) => string;
  /** Runs a shell command; `from` a sub-agent; `hold`: the model's words after it wait for that release. */
  readonly run: (command: string, how?: { readonly from?: 'child'; readonly hold?: string }) => string;
  /** Calls a tool of an MCP server. */
  readonly callMcp: (server: string, tool: string, input: Readonly<Record<string, unknown>>) => string;
  readonly question: (question: string, labels: readonly string[]) => string;
  /** The model's answer waits for that release. */
  readonly hold: (name: string, text: string) => string;
  /** The model answers with an error that no repetition mends. */
  readonly fail: () => string;
  /** A limit of the provider; null if the program would repeat it for longer than a test may wait. */
  readonly limit: (() => string) | null;
  /** One answer, and the usage that its turn must have. */
  readonly use: () => { readonly text: string; readonly usage: Usage };
};

/** One agent program, made ready for the suite. */
export type Rig = AsyncDisposable & {
  readonly id: BackendId;
  readonly create: (context: BackendContext) => Backend;
  readonly settings: BackendSettings;
  /** Settings with which a start fails. */
  readonly broken: Readonly<Record<'missing' | 'wrongVersion' | 'diesAtOnce' | 'neverReady', BackendSettings>>;
  readonly scenes: Scenes;
  readonly release: (name: string) => Promise<void> | void;
  /** Every request to the model so far, as its whole text. */
  readonly requests: () => Promise<readonly string[]> | readonly string[];
  /** It asks its model beside the turns too, when it likes: what a turn costs may hold some of that. */
  readonly asksBeside?: true;
  /** Where a session of that place really works; absent: in its project. */
  readonly worksIn?: (place: Place) => string;
  /** Puts the program's own files of a user into a new HOME. */
  readonly seed?: (userHome: string) => Promise<void>;
};

/** A home of Gantry with its book, a HOME of a user and a project: what a daemon finds when it starts. */
export type Place = {
  readonly root: string;
  readonly home: string;
  readonly userHome: string;
  readonly project: string;
  readonly book: MemoryBook;
};

/** What the laws work with. `backend` and `place` are shared by those that disturb nothing. */
export type Bench = {
  readonly rig: Rig;
  readonly capabilities: Capabilities;
  readonly place: Place;
  readonly backend: Backend;
  readonly newPlace: () => Promise<Place>;
  readonly newBackend: (place: Place, settings?: BackendSettings) => Backend;
  readonly open: (more?: Partial<OpenSpec>) => Promise<LiveSession>;
  /** A session of that profile, which an earlier law may have left at rest: a start costs seconds. It may be closed too. */
  readonly borrow: (profile?: PermissionProfile) => Promise<LiveSession>;
  /** A session of `place` that is left to `borrow`, if it is at rest when the law ends. */
  readonly share: (live: LiveSession, profile?: PermissionProfile) => LiveSession;
};

/** One law: its name is what an exception names. */
export type Law = (name: string, body: (bench: Bench) => Promise<void>) => void;

/** A variable that the settings of every backend here give. */
export const FROM_SETTINGS = { GANTRY_CONFORMANCE: 'one' } as const;
/** The value of a variable of this process that nobody passes on. */
export const SECRET = 'hush-conformance';

export async function makePlace(root: string, rig: Rig): Promise<Place> {
  const place = { root, home: join(root, 'home'), userHome: join(root, 'user'), project: join(root, 'project') };
  for (const directory of [place.home, place.userHome, join(place.project, 'made')]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  await writeFile(join(place.userHome, '.gitconfig'), '[user]\nname = A Person\nemail = person@example.org\n');
  await rig.seed?.(place.userHome);
  const env = environmentFor(place.userHome);
  // No empty directory: git knows none.
  await writeFile(join(place.project, 'made', '.keep'), '');
  await writeFile(join(place.project, 'README.md'), 'A project.\n');
  for (const args of [
    ['init', '--quiet', '--initial-branch=main'],
    ['add', 'README.md'],
    ['commit', '--quiet', '--message', 'first'],
  ]) {
    await promisify(execFile)('git', args, { cwd: place.project, env });
  }
  return { ...place, book: new MemoryBook() };
}

export function makeBackend(rig: Rig, place: Place, settings: BackendSettings = {}): Backend {
  const own = { ...rig.settings, ...settings };
  return rig.create({
    id: rig.id,
    settings: { ...own, env: { ...own.env, ...FROM_SETTINGS } },
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book: place.book,
    environment: environmentFor(place.userHome),
    home: place.home,
  });
}

export async function openIn(place: Place, backend: Backend, more: Partial<OpenSpec> = {}): Promise<LiveSession> {
  return new LiveSession(backend, await backend.open(openSpec(place.project, more)));
}

/** A word that is nowhere else. */
export const makeMark = (): string => `mark${Math.random().toString(36).slice(2, 12)}`;

/** The requests that show this mark. It stands in one prompt: more than once in a request means given twice. */
export async function requestsWith({ requests }: Rig, mark: string): Promise<readonly string[]> {
  const found = (await requests()).filter((request) => request.includes(mark));
  for (const request of found) expect(request.split(mark).length - 1, `"${mark}" in ${request}`).toBe(1);
  return found;
}

/** Waits until the model has been asked with that mark as often as that. */
export async function asked(rig: Rig, mark: string, times = 1): Promise<void> {
  await until(
    async () => ((await requestsWith(rig, mark)).length >= times ? true : null),
    { everyMs: 20, limitMs: LIMIT_MS },
    () => new Error(`the model was not asked ${times} times with ${mark}`),
  );
}

/** Ends the agent programs of a book as a crash would. */
export function killAgents({ book }: Place): void {
  const pids = book.all().flatMap((entry) => entry.record?.pid ?? []);
  expect(pids).not.toEqual([]);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

/** No process, no port and no note of one is left. */
export async function expectNothingLeft({ root, book }: Place): Promise<void> {
  expect((await leftovers(root)) ?? []).toEqual([]);
  expect(book.all()).toEqual([]);
}
