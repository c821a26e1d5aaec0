import { expect, test } from 'vitest';
import { MemoryBook } from '../../test/support/backend-session.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { localHost } from '../hosts/local.ts';
import type { BackendContext } from './backend.ts';
import { createBackends } from './registry.ts';

const contextOf = (id: string): BackendContext => ({
  id,
  settings: {},
  host: localHost,
  clock: systemClock,
  log: silentLog,
  book: new MemoryBook(),
  environment: {},
  home: '/nonexistent',
});

test('one program may be driven with several settings', () => {
  const backends = createBackends(['fake', 'fake-slow'], contextOf);
  expect([...backends].map(([id, backend]) => [id, backend.id])).toEqual([
    ['fake', 'fake'],
    ['fake-slow', 'fake-slow'],
  ]);
});

test.each(['fakes', 'gemini', 'constructor'])('"%s" is refused, and the known ones are named', (id) => {
  expect(() => createBackends([id], contextOf)).toThrow(
    expect.objectContaining({ code: 'backend_unknown', message: expect.stringMatching(new RegExp(`"${id}".*fake`)) }),
  );
});
