import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { oddAgent } from '../../../test/support/acp.ts';
import { LiveSession, MemoryBook, openSpec, profileWith } from '../../../test/support/backend-session.ts';
import { leftovers } from '../../../test/support/leftovers.ts';
import { environmentFor, type TempDir, tempDir } from '../../../test/support/temp.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { BackendSettings } from '../../contract/config.ts';
import { localHost } from '../../hosts/local.ts';
import type { Backend, OpenSpec } from '../backend.ts';
import { createBackends } from '../registry.ts';

let dir: TempDir;
let backends: Backend[];

beforeEach(async () => {
  dir = await tempDir();
  backends = [];
  for (const name of ['work', 'home']) await mkdir(join(dir.path, name));
});

afterEach(async () => {
  await Promise.all(backends.map((backend) => backend.close(200)));
  expect((await leftovers(dir.path)) ?? []).toEqual([]);
  await dir[Symbol.asyncDispose]();
});

function makeBackend(settings: BackendSettings): Backend {
  const [backend] = createBackends(['odd'], (id) => ({
    id,
    settings,
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book: new MemoryBook(),
    environment: environmentFor(dir.path),
    home: join(dir.path, 'home'),
  })).values();
  if (!backend) throw new Error('the registry gave no backend');
  backends.push(backend);
  return backend;
}

async function open(how = 'plain', more: Partial<OpenSpec> = {}): Promise<LiveSession> {
  const backend = makeBackend(oddAgent(how));
  return new LiveSession(backend, await backend.open(openSpec(join(dir.path, 'work'), more)));
}

const noticesOf = (live: LiveSession): string[] => live.events.of('notice').map((event) => event.text);

describe('what an agent can do is what it advertises', () => {
  test('an agent that cannot resume is given no old session', async () => {
    const backend = makeBackend(oddAgent('plain'));
    expect(backend.capabilities).toMatchObject({ resume: true, fork: false });
    await backend.probe(new AbortController().signal);
    expect(backend.capabilities).toMatchObject({ resume: false, fork: false, cost: false });
    const from = { type: 'resume', nativeId: 'any' } as const;
    const opening = backend.open(openSpec(join(dir.path, 'work'), { from }));
    await expect(opening).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('resume') });
  });

  test('a session that the agent has lost is a new one, with the agent’s reason', async () => {
    const backend = makeBackend(oddAgent('able'));
    const first = await backend.open(openSpec(join(dir.path, 'work')));
    await first.close(200);
    const from = { type: 'resume', nativeId: first.nativeId } as const;
    const second = await backend.open(openSpec(join(dir.path, 'work'), { from }));
    expect(second.origin).toMatchObject({
      type: 'new-instead',
      reason: expect.stringContaining('the session is lost'),
    });
  });

  test('a remote MCP server that the agent cannot reach is left out, and that is said', async () => {
    const mcp = { far: { type: 'remote', url: 'http://127.0.0.1:9/mcp', headers: {} } } as const;
    await using live = await open('plain', { mcp });
    await live.turn('hello');
    expect(noticesOf(live).join()).toContain('"far" is not connected');
  });

  test('a model or a mode that it does not offer is refused', async () => {
    await expect(open('plain', { model: 'any/model' })).rejects.toMatchObject({ code: 'unsupported' });
    const backend = makeBackend({ ...oddAgent('plain'), config: { mode: 'plan' } });
    await expect(backend.open(openSpec(join(dir.path, 'work')))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('"mode"'),
    });
  });

  test('an agent that wants a login is said to', async () => {
    await expect(open('locked')).rejects.toMatchObject({
      code: 'backend_failed',
      message: expect.stringContaining('log in'),
    });
  });
});

describe('a wire that misbehaves', () => {
  test('lines that cannot be read, and kinds of a newer protocol, do not end a session', async () => {
    await using live = await open();
    expect(await live.turn('!garbage')).toMatchObject({ outcome: 'done', text: 'heard !garbage' });
    expect(await live.turn('!unknown')).toMatchObject({ outcome: 'done' });
    expect(noticesOf(live)).toContainEqual(expect.stringContaining('this is no JSON'));
  });

  test('a line over 10 MB is dropped and told', async () => {
    await using live = await open();
    expect(await live.turn('!big')).toMatchObject({ outcome: 'done', text: 'heard !big' });
    expect(noticesOf(live)).toContainEqual(expect.stringMatching(/a line of 1\d{7} bytes.*dropped/));
  });

  test('an agent that says nothing but rubbish is ended', async () => {
    await using live = await open();
    await live.send('!flood');
    expect(await live.ended()).toMatchObject({ type: 'died', failure: { class: 'protocol' } });
  });

  test('words for another session are not taken for this one’s', async () => {
    await using live = await open();
    expect(await live.turn('!stranger')).toMatchObject({ text: 'heard !stranger' });
  });

  test('its death in a turn is a crash that says how', async () => {
    await using live = await open();
    await live.send('!die');
    expect(await live.ended()).toMatchObject({
      type: 'died',
      failure: { class: 'crash', message: expect.stringContaining('exit code 7') },
    });
  });

  test('a turn that hangs is cancelled', async () => {
    await using live = await open();
    const { prompt } = await live.send('!hang');
    await live.session.interrupt();
    expect(await live.end(prompt)).toMatchObject({ outcome: 'interrupted' });
    expect(await live.turn('after it')).toMatchObject({ outcome: 'done' });
  });
});

describe('permissions', () => {
  const ALLOW = { type: 'allow', scope: 'project', expiresAt: null } as const;
  const answered = async (live: LiveSession, act: string): Promise<string> => {
    const { prompt } = await live.send(act);
    const { nativeId, subject } = await live.events.first('asked');
    expect(subject).toMatchObject({ call: { tool: 'bash', command: 'rm -rf x', patterns: ['rm -rf x'] } });
    expect(await live.session.answer(nativeId, ALLOW)).toBe('taken');
    return (await live.end(prompt)).text;
  };

  test('a yes is for once, whatever else the agent offers', async () => {
    await using live = await open('plain', { profile: profileWith({ bash: 'ask' }) });
    expect(await answered(live, '!both')).toContain('"optionId":"o"');
  });

  test('a yes for ever is never given: without one for once the call is refused', async () => {
    await using live = await open('plain', { profile: profileWith({ bash: 'ask' }) });
    expect(await answered(live, '!always')).toContain('cancelled');
    expect(noticesOf(live)).toContainEqual(expect.stringContaining('no permission for one call'));
  });

  test('a profile decides without asking', async () => {
    await using live = await open('plain', { profile: profileWith({ bash: 'deny' }) });
    expect((await live.turn('!both')).text).toContain('"optionId":"r"');
    expect(live.events.of('asked')).toEqual([]);
  });
});

test('files of the client are not offered, and a request for one is refused', async () => {
  await using live = await open();
  expect((await live.turn('!read')).text).toContain('-32601');
});

test('instructions come before the first prompt, once', async () => {
  await using live = await open('plain', { instructions: 'Be brief.' });
  expect((await live.turn('one')).text).toBe('heard Be brief.\n\none');
  expect((await live.turn('two')).text).toBe('heard two');
});

test('what an agent refuses is a failure with words', async () => {
  await using live = await open();
  expect(await live.turn('!refuse')).toMatchObject({ outcome: 'failed', failure: { class: 'model' } });
});

test.each([
  [{}, 'needs "acp"'],
  [{ ...oddAgent('plain'), command: ['other'] }, 'takes the place of "command"'],
  [{ ...oddAgent('plain'), config: { modes: 'plan' } }, 'modes'],
])('settings that cannot be meant are refused: %j', (settings, words) => {
  const create = () => createBackends(['acp'], (id) => ({ ...contextOf(id), settings }));
  expect(create).toThrow(expect.objectContaining({ code: 'bad_config', message: expect.stringContaining(words) }));
});

const contextOf = (id: string) => ({
  id,
  host: localHost,
  clock: systemClock,
  log: silentLog,
  book: new MemoryBook(),
  environment: {},
  home: '/nonexistent',
});
