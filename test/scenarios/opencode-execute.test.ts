import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../src/base/wait.ts';
import type { Approval } from '../../src/contract/approval.ts';
import type { Request } from '../../src/contract/request.ts';
import { allEvents, type EventHome, eventHome } from '../support/event-home.ts';
import { opencode } from '../support/opencode-agent.ts';
import { type PersonsOpencode, personsOpencode, type Served } from '../support/persons-opencode.ts';
import { planText, World } from '../support/world.ts';

const LIMIT_MS = 60_000;

let world: World;
let person: PersonsOpencode;
let events: EventHome;
let terminal: Served;

beforeAll(async () => {
  world = await World.make(opencode, {
    policy: { rules: [{ action: 'ask', tool: 'edit', pattern: '*.txt' }] },
    limits: { maxAttempts: 1, verifyRounds: 0 },
  });
  person = await personsOpencode();
  await world.up();
  events = await eventHome(world);
  expect(await asPerson('plugin', 'install', 'opencode')).toMatchObject({ code: 0 });
  terminal = await person.serve({ GANTRY_PLUGIN_MODE: 'execute' });
}, 120_000);
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const asPerson = (...args: readonly string[]) =>
  world.gantry(args, { cwd: person.project.root, env: { HOME: person.home } });

/** A person’s message that comes to one file; their own model has words for it and no tool. */
async function say(path: string): Promise<{ readonly sessionId: string; readonly approval: Approval }> {
  const sessionId = await terminal.newSession();
  const work = {
    id: 'T1',
    files: [path],
    check: `test -f ${path}`,
    acts: [{ write: { path, content: 'hello\n' } }, { text: 'said hello' }],
  };
  await terminal.prompt(sessionId, planText(world.agent, [work]));
  await world.until('a question', ({ approvals }) => [...approvals.values()].some(({ state }) => state === 'pending'));
  const shown = (await asPerson('approvals', '--json')).json() as readonly Approval[];
  expect(shown).toHaveLength(1);
  const [approval] = shown as readonly [Approval];
  return { sessionId, approval };
}

/** Once a type was told under a session: all that was, in the daemon's order. */
async function told(sessionId: string, last: string): Promise<readonly Record<string, unknown>[]> {
  const look = async (): Promise<readonly Record<string, unknown>[] | null> => {
    const found = (await allEvents(events)).filter(({ session_id }) => session_id === sessionId);
    return found.some(({ hook_event_type }) => hook_event_type === last) ? found : null;
  };
  return await until(look, { everyMs: 100, limitMs: LIMIT_MS }, () => new Error(`no ${last} under ${sessionId}`));
}

async function over({ requestId }: Approval): Promise<Request> {
  if (requestId === null) throw new Error('the question is of no request');
  return await world.over(requestId);
}

/** Of the person’s own turn, which goes on beside the work. */
const OWN = new Set(['AssistantMessage', 'Stop']);
const typesOf = (found: readonly Record<string, unknown>[]): unknown[] =>
  found.map(({ hook_event_type }) => hook_event_type).filter((type) => !OWN.has(String(type)));

const BEGIN = ['SessionStart', 'UserPromptSubmit', 'TaskPlanned', 'TaskAssigned', 'ToolRequested'];

describe('a message in a person’s own OpenCode, with the installed plugin in mode execute', () => {
  it('is carried out by Gantry’s agent once its question is allowed, and told once, in order, under one session', async () => {
    const { sessionId, approval } = await say('hello.txt');
    expect(approval.subject).toMatchObject({ type: 'permission', call: { tool: 'edit' } });
    expect(await asPerson('approve', approval.id)).toMatchObject({ code: 0 });
    const request = await over(approval);
    expect(request.state).toBe('done');
    expect(await person.project.git(['show', `${request.result?.branch}:hello.txt`])).toBe('hello');
    const made = [...world.journal.view.sessions.values()].find(({ id }) => id === approval.sessionId);
    expect((await world.agent.promptsTaken()).map(({ nativeId }) => nativeId)).toContain(made?.nativeId);

    const found = await told(sessionId, 'TaskCompleted');
    expect(typesOf(found)).toEqual([...BEGIN, 'ToolCompleted', 'TaskCompleted']);
    const completed = found.find(({ hook_event_type }) => hook_event_type === 'TaskCompleted');
    expect(completed?.payload).toMatchObject({ task_id: 'T1', success: true, files_created: ['hello.txt'] });
  });

  it('fails with the person’s reason when its question is denied', async () => {
    const { sessionId, approval } = await say('bye.txt');
    expect(await asPerson('deny', approval.id, '--reason', 'not in this project')).toMatchObject({ code: 0 });
    const request = await over(approval);
    expect(request.state).toBe('failed');

    const found = await told(sessionId, 'TaskFailed');
    expect(typesOf(found)).toEqual([...BEGIN, 'ToolFailed', 'TaskFailed']);
    const refused = found.find(({ hook_event_type }) => hook_event_type === 'ToolFailed');
    expect(refused?.payload).toMatchObject({ error: expect.stringContaining('not in this project') });
    const failed = found.find(({ hook_event_type }) => hook_event_type === 'TaskFailed');
    expect(failed?.payload).toMatchObject({ success: false, errors: [expect.stringContaining('bye.txt')] });
  });
});
