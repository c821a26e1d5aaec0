import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { openSpec } from '../../support/backend-session.ts';
import { expectNothingLeft, FROM_SETTINGS, type Law, makeMark, requestsWith, SECRET } from './rig.ts';

const ECHO = fileURLToPath(new URL('../../fixtures/mcp/echo.mjs', import.meta.url));

const FAILURES = {
  missing: 'backend_missing',
  wrongVersion: 'backend_version',
  diesAtOnce: 'backend_failed',
  neverReady: 'timeout',
} as const;
const KINDS = ['missing', 'wrongVersion', 'diesAtOnce', 'neverReady'] as const;

export function openingLaws(law: Law): void {
  law('a probe tells what is there', async ({ backend }) => {
    const probe = await backend.probe(new AbortController().signal);
    expect(probe).toMatchObject({ isInstalled: true, problem: null });
    expect(probe.version).toMatch(/^\d+\./);
    expect(probe.executable).toBeTruthy();
  });

  for (const kind of ['missing', 'wrongVersion'] as const) {
    law(`a probe tells what is wrong: ${kind}`, async ({ rig, newPlace, newBackend }) => {
      const backend = newBackend(await newPlace(), rig.broken[kind]);
      const probe = await backend.probe(new AbortController().signal);
      expect(probe.isInstalled).toBe(kind !== 'missing');
      expect(probe.problem).toMatch(/\w+ \w+/);
    });
  }

  law('open resolves when the next prompt will be accepted', async ({ rig, open, share }) => {
    await using live = share(await open());
    expect(live.session.nativeId).not.toBe('');
    expect(live.session.origin).toEqual({ type: 'new' });
    const { prompt, receipt } = await live.send(rig.scenes.answer('at once'));
    expect(receipt).toEqual({ type: 'accepted' });
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done', text: 'at once', failure: null });
  });

  for (const kind of KINDS) {
    law(`a start that fails says why and leaves nothing: ${kind}`, async ({ rig, newPlace, newBackend }) => {
      const place = await newPlace();
      const backend = newBackend(place, rig.broken[kind]);
      const limitMs = kind === 'neverReady' ? 1_500 : 30_000;
      const failure = await backend.open(openSpec(place.project, { limitMs })).catch((error: unknown) => error);
      expect(failure).toMatchObject({ name: 'AppError', code: FAILURES[kind] });
      expect((failure as Error).message).toMatch(/\w+ \w+/);
      await expectNothingLeft(place);
    });
  }

  law('a cancelled start leaves nothing', async ({ rig, newPlace, newBackend }) => {
    const place = await newPlace();
    const backend = newBackend(place, rig.broken.neverReady);
    const cancel = new AbortController();
    const opening = backend.open(openSpec(place.project, { signal: cancel.signal }));
    setImmediate(() => cancel.abort());
    await expect(opening).rejects.toMatchObject({ name: 'AppError', code: 'cancelled' });
    await expectNothingLeft(place);
  });

  law('a directory that does not exist is refused by name', async ({ backend, place }) => {
    const directory = join(place.root, 'no-such-directory');
    await expect(backend.open(openSpec(directory))).rejects.toMatchObject({
      name: 'AppError',
      code: 'backend_failed',
      message: expect.stringContaining(directory),
    });
  });

  law('sessions beside each other do not mix', async ({ rig, open, borrow, share }) => {
    await using stack = new AsyncDisposableStack();
    const opening = [borrow(), open().then((live) => share(live)), open().then((live) => share(live))];
    const sessions = (await Promise.all(opening)).map((live) => stack.use(live));
    const marks = sessions.map(() => makeMark());
    const ends = await Promise.all(
      sessions.map((live, i) => live.turn(`${marks[i]} ${rig.scenes.answer(`answer ${i}`)}`)),
    );
    expect(ends.map((end) => end.text)).toEqual(['answer 0', 'answer 1', 'answer 2']);
    expect(new Set(sessions.map((live) => live.session.nativeId)).size).toBe(3);
    for (const live of sessions) expect(live.events.of('turn-ended')).toHaveLength(1);
    for (const mark of marks) expect(await requestsWith(rig, mark)).toHaveLength(1);
  });

  law('the environment is an explicit list', async ({ rig, open, place }) => {
    await using live = await open({ env: { FROM_SPEC: 'two' } });
    const { text } = await live.turn(rig.scenes.run('env'));
    expect(text).toContain(Object.entries(FROM_SETTINGS)[0]?.join('='));
    expect(text).toContain('FROM_SPEC=two');
    expect(text).not.toContain(SECRET);
    for (const { record } of place.book.all()) {
      const environment = process.platform === 'linux' ? await readFile(`/proc/${record?.pid}/environ`, 'latin1') : '';
      expect(environment).not.toContain(SECRET);
    }
  });

  law('an MCP server of the spec is offered', async ({ rig, open, capabilities }) => {
    if (!capabilities.mcp) return;
    const local = { type: 'local', command: [process.execPath, ECHO], environment: { GANTRY_ECHO: 'heard' } } as const;
    await using live = await open({ mcp: { repeater: local } });
    const { text } = await live.turn(rig.scenes.callMcp('repeater', 'echo', { text: 'said and' }));
    expect(text).toContain('said and heard');
  });
}
