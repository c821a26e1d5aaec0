import { expect, test } from 'vitest';
import { profileWith } from '../../../test/support/backend-session.ts';
import { Asks } from './asks.ts';

test('a hook is answered though the transcript cannot be read', async () => {
  const replied = Promise.withResolvers<object>();
  const asks = new Asks({
    connection: { reply: (_, response) => replied.resolve(response), refuse: () => undefined },
    profile: profileWith({ bash: 'ask' }),
    places: { directories: ['/repo'], readable: [], real: (path) => path },
    emit: () => undefined,
    isNoted: async () => {
      throw new Error('ENOENT: the transcript is gone');
    },
  });
  const input = { command: 'ls' };
  asks.take({ type: 'hook', requestId: '1', tool: 'Bash', input, isFromChild: false, childId: null, callId: 'call_1' });
  expect(await replied.promise).toMatchObject({ hookSpecificOutput: { permissionDecision: 'ask' } });
});
