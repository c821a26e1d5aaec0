import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MemoryBook } from '../../test/support/backend-session.ts';
import { COMPILE_CACHE, environmentFor, tempDir } from '../../test/support/temp.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { localHost } from '../hosts/local.ts';
import type { Backend } from './backend.ts';
import { observeCapabilities } from './observe.ts';
import { createBackends } from './registry.ts';

/** What is seen of a fake agent that lacks `off`, and whose driver declares everything all the same. */
async function observed(...off: readonly string[]): Promise<Readonly<Record<string, boolean | null>>> {
  await using dir = await tempDir();
  const place = (name: string): string => join(dir.path, name);
  for (const name of ['control', 'home', 'work']) await mkdir(place(name));
  const context = {
    settings: {
      env: { ...COMPILE_CACHE, GANTRY_FAKE_CONTROL: place('control') },
      config: Object.fromEntries(off.map((name) => [name, false])),
    },
    host: localHost,
    clock: systemClock,
    log: silentLog,
    book: new MemoryBook(),
    environment: environmentFor(dir.path),
    home: place('home'),
  };
  const backend = createBackends(['fake'], (id) => ({ ...context, id })).get('fake') as Backend;
  const capabilities = { ...backend.capabilities, ...Object.fromEntries(off.map((name) => [name, true])) };
  try {
    const seen = await observeCapabilities({ ...backend, capabilities }, place('work'));
    return Object.fromEntries(seen.map(({ capability, isSeen }) => [capability, isSeen]));
  } finally {
    await backend.close(200);
  }
}

test('what an agent program does is seen', async () => {
  expect(await observed()).toEqual({
    cost: null,
    transcript: true,
    reasoning: true,
    steer: true,
    interrupt: true,
    questions: true,
    children: true,
    resume: true,
    fork: true,
  });
});

test('what it does not do is seen too, whatever its driver declares', async () => {
  expect(await observed('steer', 'resume', 'fork', 'transcript', 'interrupt')).toMatchObject({
    steer: false,
    resume: false,
    fork: false,
    transcript: false,
    interrupt: false,
    questions: true,
  });
});
