import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { environmentFor, type TempDir, tempDir } from '../../test/support/temp.ts';
import { type Log, silentLog } from '../base/log.ts';
import { until } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import { hookCommand, hookScript, hookScriptOf, spoolOf } from './hook-script.ts';
import { Spool, type SpooledHook } from './spool.ts';

const isMountAllowed = ((): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['-m', 'true']);
    return true;
  } catch {
    return false;
  }
})();

let dir: TempDir;
let home: string;
let spool: string;

beforeEach(async () => {
  dir = await tempDir();
  // A path that a careless script would trip over.
  home = join(dir.path, "it's a home");
  spool = spoolOf(home);
  for (const path of [join(home, 'plugin'), spool]) mkdirSync(path, { recursive: true });
  writeFileSync(hookScriptOf(home), hookScript(home));
  chmodSync(hookScriptOf(home), 0o700);
});
afterEach(() => dir[Symbol.asyncDispose]());

/** Runs the line as Claude Code does. */
async function hook(
  json: string,
  env: Record<string, string> = {},
  command = hookCommand(home),
): Promise<number | null> {
  const child = spawn('/bin/sh', ['-c', command], {
    env: { ...environmentFor(home), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += String(text);
    });
  child.stdin.on('error', () => undefined);
  child.stdin.end(json);
  const [code] = (await once(child, 'close')) as [number | null];
  expect(said, 'a hook that speaks speaks to the model').toBe('');
  return code;
}

const waiting = (): string[] => readdirSync(spool).filter((name) => name.endsWith('.event'));

/** All that is handed in until there are so many. */
async function drain(
  count: number,
  take?: (hooks: readonly SpooledHook[]) => (AppError | null)[],
  log: Log = silentLog,
): Promise<SpooledHook[]> {
  const taken: SpooledHook[] = [];
  const reader = new Spool({
    directory: spool,
    log,
    take: async (hooks) => {
      const answers = take?.(hooks) ?? hooks.map(() => null);
      taken.push(...hooks);
      return answers;
    },
  });
  await until(
    () => (taken.length >= count && waiting().length === 0 ? true : null),
    { everyMs: 5, limitMs: 60_000 },
    () => new Error(`${taken.length} events were taken, ${waiting().length} wait`),
  );
  await reader[Symbol.asyncDispose]();
  return taken;
}

describe('the hook line and the spool', () => {
  it('an event waits as a private file and is handed in as it came, with its source', async () => {
    const json = JSON.stringify({ hook_event_name: 'Stop', words: 'a "quoted"\nword $HOME `id` \\' });
    expect(await hook(json)).toBe(0);
    expect(await hook('{}', { GANTRY_SOURCE_APP: 'mine' })).toBe(0);
    expect(waiting().map((name) => statSync(join(spool, name)).mode & 0o777)).toEqual([0o600, 0o600]);
    const taken = await drain(2);
    expect(taken).toMatchObject([
      { source: 'claude-code', json },
      { source: 'mine', json: '{}' },
    ]);
    expect(readdirSync(spool)).toEqual([]);
  });

  it('200 events that nobody fetched are handed in once, in order', async () => {
    for (let i = 0; i < 200; i += 1) expect(await hook(JSON.stringify({ i }))).toBe(0);
    const taken = await drain(200);
    expect(taken.map(({ json }) => (JSON.parse(json) as { i: number }).i)).toEqual(
      Array.from({ length: 200 }, (_, i) => i),
    );
    expect(new Set(taken.map(({ id }) => id)).size).toBe(200);
  });

  it('callers at the same time do not mix their words, however long these are', async () => {
    const texts = Array.from({ length: 24 }, (_, i) => JSON.stringify({ i, long: String(i % 10).repeat(300_000) }));
    expect(await Promise.all(texts.map((text) => hook(text)))).toEqual(texts.map(() => 0));
    const taken = await drain(24);
    expect(taken.map(({ json }) => json).sort()).toEqual(texts.toSorted());
  });

  it('an event that comes while the daemon runs is fetched at once', async () => {
    const taken: string[] = [];
    const reader = new Spool({
      directory: spool,
      log: silentLog,
      take: async (hooks) => {
        taken.push(...hooks.map(({ json }) => json));
        return hooks.map(() => null);
      },
    });
    await hook('{"one":1}');
    await until(
      () => (taken.length === 1 ? true : null),
      { everyMs: 5, limitMs: 60_000 },
      () => new Error('not fetched'),
    );
    await hook('{"two":2}');
    await until(
      () => (taken.length === 2 ? true : null),
      { everyMs: 5, limitMs: 60_000 },
      () => new Error('not fetched'),
    );
    await reader[Symbol.asyncDispose]();
    expect(taken).toEqual(['{"one":1}', '{"two":2}']);
  });

  it('a line over the limit of an event is refused and goes, those behind it are taken', async () => {
    expect(await hook(`{"long":"${'x'.repeat(10_000_000)}"}`)).toBe(0);
    expect(await hook('{"after":1}')).toBe(0);
    const taken = await drain(1);
    expect(taken.map(({ json }) => json.length > 8_000_000 || json)).toContain('{"after":1}');
    expect(waiting()).toEqual([]);
  });

  it('what cannot be taken now waits, and is handed in again', async () => {
    await hook('{"a":1}');
    let tries = 0;
    const taken = await drain(1, (hooks) => {
      tries += 1;
      if (tries === 1) throw new AppError('disk_full', 'full');
      return hooks.map(() => null);
    });
    expect(tries).toBe(2);
    expect(taken).toHaveLength(1);
  });

  it('a refused event goes and does not hold up the others', async () => {
    for (const text of ['no json', '{"b":1}']) await hook(text);
    const refuse = (hooks: readonly SpooledHook[]): (AppError | null)[] =>
      hooks.map(({ json }) => (json === 'no json' ? new AppError('bad_request', 'no') : null));
    expect(await drain(2, refuse)).toHaveLength(2);
    expect(waiting()).toEqual([]);
  });

  it('what cannot be read is set aside and said once, and does not hold up the others', async () => {
    mkdirSync(join(spool, 'a.1.event'));
    execFileSync('mkfifo', [join(spool, 'b.2.event')]);
    symlinkSync('c.3.event', join(spool, 'c.3.event'));
    await hook('{"after":1}');
    const said: string[] = [];
    const log: Log = { ...silentLog, warn: (_, text) => void said.push(text) };
    expect(await drain(1, undefined, log)).toMatchObject([{ json: '{"after":1}' }]);
    expect(said).toHaveLength(3);
    expect(readdirSync(spool).sort()).toEqual(['a', 'b', 'c'].map((name, i) => `${name}.${i + 1}.event.unreadable`));
    await hook('{"later":1}');
    await drain(1, undefined, log);
    expect(said).toHaveLength(3);
  });

  it('without a home, or without its spool, the caller is not disturbed', async () => {
    rmSync(spool, { recursive: true });
    expect(await hook('{}')).toBe(0);
    expect(existsSync(spool)).toBe(false);
    rmSync(home, { recursive: true });
    expect(await hook('{}')).toBe(0);
    expect(existsSync(home)).toBe(false);
  });

  it('a full spool loses its oldest, and counts them', async () => {
    for (let i = 0; i < 300; i += 1) writeFileSync(join(spool, `old-${i}.${i}.event`), 'x'.repeat(300_000));
    await hook('{"newest":1}');
    expect(waiting()).toHaveLength(101);
    expect(readdirSync(spool)).toContain('dropped');
    const taken = await drain(101);
    expect(taken.at(-1)?.json).toBe('{"newest":1}');
    expect(readdirSync(spool)).toEqual([]);
  });

  it.skipIf(!isMountAllowed)('on a full disk no half event is left', async () => {
    const fill = 'head -c 2000000 /dev/zero >"$1/fill" 2>/dev/null';
    const inMount = `mount -t tmpfs -o size=1m tmpfs '${spool.replaceAll("'", "'\\''")}' && set -- '${spool.replaceAll("'", "'\\''")}'; ${fill}; ${hookCommand(home).replace('exec ', '').replace('; exit 0', '')}; code=$?; ls -A "$1" | tr '\\n' ' ' >"$1/../listing"; exit $code`;
    const child = spawn('unshare', ['-m', '/bin/sh', '-c', inMount], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.end(`{"long":"${'x'.repeat(100_000)}"}`);
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(0);
    expect(execFileSync('cat', [join(home, 'listing')], { encoding: 'utf8' })).toBe('fill ');
  });
});
