import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPlugin } from '../../src/cli/plugin-file.ts';
import { EventSink } from '../support/event-sink.ts';
import { scriptedPrompt } from '../support/opencode.ts';
import { entryOf, type PersonsOpencode, personsOpencode } from '../support/persons-opencode.ts';

/** A failure bound; the plugin allows itself 400 ms. */
const END_LIMIT_MS = 4_000;

let person: PersonsOpencode;
let gantryHome: string;

beforeAll(async () => {
  person = await personsOpencode();
  gantryHome = person.root;
  const plugin = join(person.root, 'gantry-opencode.js');
  await writeFile(plugin, await readPlugin());
  await person.configure([entryOf(plugin, gantryHome)]);
}, 60_000);
afterAll(async () => await person?.[Symbol.asyncDispose]());

const told = (sink: EventSink, sessionId: string): string[] =>
  sink.events.flatMap(({ session_id, hook_event_type }) => (session_id === sessionId ? [hook_event_type] : []));

const writing = (path: string): object => ({
  tools: [{ name: 'write', input: { filePath: path, content: 'hello' } }],
});

describe('the OpenCode plugin in a person’s own OpenCode', () => {
  it('tells of a session, its prompt, tools, files, todos, permission and cost: once each, in order, under one id', async () => {
    await using sink = await EventSink.open();
    const file = join(person.project.root, 'hello.txt');
    const todos = [{ content: 'greet', status: 'pending', priority: 'high' }];
    const prompt = `Say hello. ${scriptedPrompt(
      writing(file),
      { tools: [{ name: 'todowrite', input: { todos } }] },
      { tools: [{ name: 'read', input: { filePath: '/etc/hostname' } }] },
      { text: 'never said: a refused permission ends the turn of opencode run' },
    )}`;
    const before = await hashOf(person.configFile);
    const ran = await person.run(prompt, { env: { GANTRY_URL: sink.url, GANTRY_TOKEN: 'gty_test' } });
    expect(ran).toMatchObject({ code: 0 });
    expect(await readFile(file, 'utf8')).toBe('hello');
    const types = told(sink, ran.sessionId);
    // OpenCode itself tells of its list now before, now after the call that changes it.
    expect(types.filter((type) => type === 'TodoUpdated')).toHaveLength(1);
    expect(types.filter((type) => type !== 'TodoUpdated')).toEqual([
      'SessionStart',
      'UserPromptSubmit',
      'ToolRequested',
      'ToolCompleted',
      'FileEdited',
      'AssistantMessage',
      'ToolRequested',
      'ToolCompleted',
      'AssistantMessage',
      'ToolRequested',
      'PermissionRequest',
      'PermissionReplied',
      'ToolFailed',
      'AssistantMessage',
      'Stop',
      'SessionEnd',
    ]);
    const first = sink.events.find(({ hook_event_type }) => hook_event_type === 'UserPromptSubmit');
    expect(first).toMatchObject({ source_app: 'opencode', model_name: 'scripted/m1', payload: { prompt } });
    const answer = sink.events.find(({ hook_event_type }) => hook_event_type === 'AssistantMessage');
    expect(answer?.payload).toMatchObject({ finish: 'tool-calls', cost_usd: expect.any(Number) });
    expect(new Set(sink.events.map(({ event_id }) => event_id)).size).toBe(sink.events.length);
    expect(JSON.stringify(sink.events)).not.toContain('delta');
    expect(await hashOf(person.configFile)).toBe(before);
  });

  it.each(['dead', 'hanging', 'failing'] as const)(
    'holds no hook up and warns once when the daemon is %s',
    async (mood) => {
      await using sink = await EventSink.open(mood === 'dead' ? 'well' : mood);
      const url = mood === 'dead' ? 'http://127.0.0.1:9' : sink.url;
      const prompt = scriptedPrompt(
        writing(join(person.project.root, 'b.txt')),
        writing(join(person.project.root, 'c.txt')),
        { text: 'done' },
      );
      const times = join(person.root, `hooks-${mood}.jsonl`);
      await person.configure([entryOf(await timedPlugin(times), gantryHome)]);
      const ran = await person.run(prompt, { env: { GANTRY_URL: url, GANTRY_TOKEN: 'gty_test' } });
      expect(ran).toMatchObject({ code: 0 });
      expect(ran.stderr.match(/gantry: /g)).toHaveLength(1);
      const hooks = (await readFile(times, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(hooks.map(({ name }) => name)).toContain('chat.message');
      // A hook that waits for no more than its own code ends before the next turn of the event loop.
      expect(hooks.filter(({ name, isLater }) => isLater && name !== 'dispose')).toEqual([]);
      expect(hooks.filter(({ name, ms }) => name === 'dispose' && ms > END_LIMIT_MS)).toEqual([]);
    },
  );

  it('gives each message of the person to Gantry once, but nothing of a compaction, a sub-agent or a command', async () => {
    await using sink = await EventSink.open();
    await person.configure([entryOf(join(person.root, 'gantry-opencode.js'), gantryHome)]);
    const env = { GANTRY_URL: sink.url, GANTRY_TOKEN: 'gty_test', GANTRY_PLUGIN_MODE: 'plan' };
    const server = await person.serve(env);
    const session = await server.newSession();
    const child = { description: 'a part', prompt: scriptedPrompt({ text: 'part done' }), subagent_type: 'general' };
    await server.prompt(
      session,
      `One. ${scriptedPrompt({ tools: [{ name: 'task', input: child }] }, { text: 'done' })}`,
    );
    await sink.has('Stop', 2);
    await server.call('POST', `/session/${session}/summarize`, { providerID: 'scripted', modelID: 'm1' });
    await sink.has('PostCompact');
    await server.prompt(session, `Two. ${scriptedPrompt({ text: 'done' })}`);
    await sink.has('Stop', 3);
    expect(sink.calls.filter((call) => call === 'POST /api/v1/requests')).toHaveLength(2);
    const starts = sink.events.filter(({ hook_event_type }) => hook_event_type === 'SessionStart');
    expect(starts.map(({ payload }) => (payload as { parent_session_id?: string }).parent_session_id)).toEqual([
      undefined,
      session,
    ]);
  });

  it('in an OpenCode that Gantry has started it only observes', async () => {
    await using sink = await EventSink.open();
    const env = { GANTRY_URL: sink.url, GANTRY_TOKEN: 'gty_test', GANTRY_AUTO_EXECUTE: '1', GANTRY_ATTEMPT: 'att_1' };
    const ran = await person.run(scriptedPrompt({ text: 'done' }), { env });
    expect(ran).toMatchObject({ code: 0 });
    expect(told(sink, ran.sessionId)).toContain('UserPromptSubmit');
    expect(sink.calls).toEqual([]);
    expect(person.model.requests().at(-1)?.body).not.toContain('gantry_run');
  });

  it.each([
    ['off', ''],
    ['loud', 'accepted: off, observe, plan, execute'],
  ])('in mode %s it is silent, and says why if it was not asked to be', async (mode, said) => {
    await using sink = await EventSink.open();
    const env = { GANTRY_URL: sink.url, GANTRY_TOKEN: 'gty_test', GANTRY_PLUGIN_MODE: mode };
    const ran = await person.run(scriptedPrompt({ text: 'done' }), { env });
    expect(sink.events).toEqual([]);
    expect(sink.calls).toEqual([]);
    expect(ran.stderr).toContain(said);
  });
});

/** The plugin, with every hook's time written down by a plugin around it. */
async function timedPlugin(times: string): Promise<string> {
  const file = join(person.root, 'timed-plugin.mjs');
  const source = `import { appendFileSync } from 'node:fs';
import { GantryPlugin } from ${JSON.stringify(join(person.root, 'gantry-opencode.js'))};
export const Timed = async (input, options) => {
  const hooks = await GantryPlugin(input, options);
  const timed = Object.entries(hooks).map(([name, hook]) => [
    name,
    typeof hook !== 'function' ? hook : async (...args) => {
      const began = performance.now();
      let isLater = false;
      setImmediate(() => { isLater = true; });
      const ran = hook(...args);
      // OpenCode awaits every hook but this one.
      if (name !== 'event') await ran;
      const ms = performance.now() - began;
      appendFileSync(${JSON.stringify(times)}, JSON.stringify({ name, ms, isLater }) + '\\n');
    },
  ]);
  return Object.fromEntries(timed);
};
`;
  await writeFile(file, source);
  return file;
}

const hashOf = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
