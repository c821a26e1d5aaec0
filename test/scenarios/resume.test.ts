import { describe, expect } from 'vitest';
import type { Request } from '../../src/contract/request.ts';
import type { Session } from '../../src/contract/session.ts';
import { scenario } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import type { World } from '../support/world.ts';

/** Starts work, pauses it in its midst by the CLI; `between` happens while nothing runs; then it goes on. */
async function pausedAndResumed(
  world: World,
  options: { readonly backend?: string; readonly between?: (session: Session) => Promise<void> } = {},
): Promise<{
  readonly request: Request;
  readonly before: Session;
  readonly after: Session;
  readonly workspace: string;
}> {
  const submitted = await world.submitOne(
    [
      { write: { path: 'half.txt', content: 'half\n' } },
      { hold: 'go', run: 'cp half.txt whole.txt' },
      { text: 'whole' },
    ],
    options.backend === undefined ? {} : { backend: options.backend },
    'Make it.\nIt is called mark-d4.',
  );
  await world.until('the file', () => world.journal.facts.some((fact) => fact.kind === 'file.changed'));
  const session = (): Session => {
    const task = [...world.journal.view.tasks.values()].find((t) => t.requestId === submitted.id);
    const attempt = world.journal.view.attempts.get(task?.attemptId ?? '');
    const found = world.journal.view.sessions.get(attempt?.sessionId ?? '');
    if (!found) throw new Error('the attempt has no session');
    return found;
  };
  const before = session();
  expect(await world.gantry(['pause', submitted.id])).toMatchObject({ code: 0 });
  await world.until('the pause', ({ sessions }) => sessions.get(before.id)?.state === 'paused');
  expect(world.journal.view.requests.get(submitted.id)?.state).toBe('paused');
  await options.between?.(before);
  await world.agent.release('go');
  expect(await world.gantry(['resume', submitted.id])).toMatchObject({ code: 0 });
  const request = await world.over(submitted.id);
  expect(request).toMatchObject({ state: 'done' });
  expect(request.result?.filesChanged.map(({ path }) => path)).toEqual(['half.txt', 'whole.txt']);
  expect((await world.task(request.id)).attempts).toBe(1);
  return { request, before, after: session(), workspace: before.directory };
}

/** What the session of this world last opened as. */
const lastOrigin = (world: World): string | null => {
  const fact = world.journal.facts.findLast(
    ({ kind, data }) => kind === 'session.changed' && data.from === 'starting' && data.to === 'running',
  );
  return fact?.kind === 'session.changed' ? fact.data.cause : null;
};

const FRESH = 'Look at it first';

describe('resume (D4)', () => {
  scenario('goes on in the same conversation and directory', {}, async (world) => {
    const { before, after, workspace } = await pausedAndResumed(world);
    expect(after.nativeId).toBe(before.nativeId);
    expect(after.directory).toBe(workspace);
    expect(lastOrigin(world)).toBe('resumed session');
    const last = (await world.agent.requests()).at(-1);
    expect(last?.nativeId).toBe(before.nativeId);
    expect(last?.text.split('mark-d4')).toHaveLength(2);
  });

  scenario(
    'makes a new conversation, and says so, when the old one is gone from the program’s store',
    {},
    async (world) => {
      const { before, after } = await pausedAndResumed(world, {
        between: (session) => world.agent.forget(session.nativeId ?? ''),
      });
      expect(after.nativeId).not.toBe(before.nativeId);
      expect(lastOrigin(world)).toMatch(/^new session: .*(no|not know the) session/);
      const first = (await world.agent.requests()).find(({ nativeId }) => nativeId === after.nativeId);
      expect(first?.text).toContain('mark-d4');
      expect(first?.text).toContain('The one before ended: new session');
      expect(first?.text.toLowerCase()).toContain(FRESH.toLowerCase());
    },
  );

  const forgetful = {
    config: ({ backend, settings }: ScriptedAgent) => ({
      backends: { [`${backend}-forgetful`]: { ...settings, config: { ...settings.config, resume: false } } },
    }),
    not: { real: 'it can always resume' },
  };
  scenario('makes a new conversation, and says so, where the backend cannot resume', forgetful, async (world) => {
    const { before, after } = await pausedAndResumed(world, { backend: `${world.agent.backend}-forgetful` });
    expect(after.nativeId).not.toBe(before.nativeId);
    expect(lastOrigin(world)).toMatch(/^new session: .*resume/);
    const first = (await world.agent.requests()).find(({ nativeId }) => nativeId === after.nativeId);
    expect(first?.text).toContain('The one before ended: new session');
  });
});
