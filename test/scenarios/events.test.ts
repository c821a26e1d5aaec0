import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allEvents, type EventHome, eventHome } from '../support/event-home.ts';
import { followEvents, sampleEvent } from '../support/events.ts';
import { fake } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const HOOK = fileURLToPath(new URL('../fixtures/events/send_event.py', import.meta.url));

const HOOKS: Readonly<Record<string, Record<string, unknown>>> = {
  SessionStart: { source: 'startup', model: 'claude-opus-4' },
  UserPromptSubmit: { prompt: 'Grüße, 世界' },
  PreToolUse: { tool_name: 'Bash', tool_input: { command: 'ls' }, tool_use_id: 'toolu_1' },
  PostToolUse: {
    tool_name: 'Bash',
    tool_input: { command: 'ls' },
    tool_use_id: 'toolu_1',
    tool_response: { stdout: 'a' },
  },
  PostToolUseFailure: { tool_name: 'Bash', tool_use_id: 'toolu_2', error: 'no', is_interrupt: false },
  PermissionRequest: { tool_name: 'Bash', tool_input: { command: 'rm x' }, permission_suggestions: [] },
  Notification: { message: 'waiting', notification_type: 'idle_prompt' },
  SubagentStart: { agent_id: 'a1', agent_type: 'explore' },
  SubagentStop: { agent_id: 'a1', agent_type: 'explore', stop_hook_active: false },
  PreCompact: { trigger: 'auto', custom_instructions: '' },
  Stop: { stop_hook_active: false },
  SessionEnd: { reason: 'other' },
};

describe('programs of the hooks observability server', () => {
  let world: World;
  let home: EventHome;

  beforeAll(async () => {
    world = await World.make(fake);
    await world.up();
    home = await eventHome(world);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const hook = async (type: string, payload: Record<string, unknown>, url = `${home.url}${home.inPath}/events`) => {
    const args = [HOOK, '--source-app', 'hooked', '--event-type', type, '--server-url', url];
    const child = spawn('python3', type === 'Stop' ? [...args, '--add-chat'] : args, { env: world.env });
    let said = '';
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    child.stdin.end(JSON.stringify(payload));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, said };
  };

  it('get every type of hook event in, in order and whole, by a script that knows only an address', async () => {
    const chat = Array.from({ length: 6 }, (_, i) => ({ type: 'user', message: { content: `message ${i}` } }));
    const transcript_path = join(world.root, 'transcript.jsonl');
    await writeFile(transcript_path, chat.map((message) => JSON.stringify(message)).join('\n'));
    const sent = Object.entries(HOOKS).map(([hook_event_name, fields]) => ({
      session_id: 'native-hooked',
      transcript_path,
      hook_event_name,
      ...fields,
    }));
    for (const payload of sent) expect(await hook(payload.hook_event_name, payload)).toEqual({ code: 0, said: '' });
    const kept = (await allEvents(home)).filter(({ source_app }) => source_app === 'hooked');
    expect(kept.map(({ payload }) => payload)).toEqual(sent);
    expect(kept.map(({ hook_event_type }) => hook_event_type)).toEqual(Object.keys(HOOKS));
    expect(kept[0]).toMatchObject({ model_name: 'claude-opus-4', source: 'startup' });
    expect(kept.find(({ hook_event_type }) => hook_event_type === 'Stop')).toMatchObject({ chat });
    // A port that nobody listens on: the script must not hold its agent up.
    expect((await hook('Stop', sent[0] ?? {}, 'http://127.0.0.1:9/events')).code).toBe(0);
  });

  it('reach a daemon that listens on this machine alone', async () => {
    const fds = await readdir(`/proc/${world.daemonPid}/fd`);
    const targets = await Promise.all(fds.map((fd) => readlink(`/proc/${world.daemonPid}/fd/${fd}`).catch(() => '')));
    const inodes = new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
    const LISTEN = '0A';
    const addresses: string[] = [];
    for (const table of ['tcp', 'tcp6']) {
      const [, ...lines] = (await readFile(`/proc/${world.daemonPid}/net/${table}`, 'utf8').catch(() => '')).split(
        '\n',
      );
      for (const line of lines) {
        const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
        if (state === LISTEN && inodes.has(inode)) addresses.push(local.split(':')[0] ?? '');
      }
    }
    const [V4, V6] = ['0100007F', '00000000000000000000000001000000'];
    expect(addresses).toContain(V4);
    expect(addresses.filter((address) => address !== V4 && address !== V6)).toEqual([]);
  });

  it('that stop reading cost little and miss nothing when they go on', async () => {
    const count = 4_000;
    const resident = async (): Promise<number> => {
      const status = await readFile(`/proc/${world.daemonPid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1_024;
    };
    const batch = Array.from({ length: 200 }, () =>
      sampleEvent({ source_app: 'flood', payload: { text: 'x'.repeat(4_000) } }),
    );
    const flood = async (): Promise<number[]> => {
      const ids: number[] = [];
      while (ids.length < count) {
        const response = await fetch(`${home.url}${home.inPath}/events`, {
          method: 'POST',
          body: JSON.stringify(batch),
        });
        ids.push(...((await response.json()) as { readonly ids: number[] }).ids);
      }
      return ids;
    };
    // What taking so many costs by itself is not theirs.
    const first = await flood();
    const before = await resident();
    await using stack = new AsyncDisposableStack();
    const clients = Array.from({ length: 30 }, (_, i) => {
      const query = i % 2 === 0 ? `?since=${first.at(-1)}` : '?source_app=flood';
      return stack.use(followEvents(home.url, `${home.viewPath}/stream${query}`));
    });
    await Promise.all(clients.map(({ ws }) => once(ws, 'open')));
    for (const { ws } of clients) ws.pause();
    const healthy = stack.use(followEvents(home.url, `${home.viewPath}/stream?since=${first.at(-1)}`));
    const ids = await flood();
    const idsOf = async (client: typeof healthy): Promise<number[]> => {
      const told: number[] = [];
      while (told.length < count) {
        const { type, data } = (await client.next()) as {
          readonly type: string;
          readonly data: { readonly id: number };
        };
        expect(['event', 'initial']).toContain(type);
        if (type === 'event') told.push(data.id);
      }
      return told;
    };
    expect(await idsOf(healthy)).toEqual(ids);
    // Unbounded, thirty of them would hold 480 MB; what a heap keeps before it collects is far from that.
    expect((await resident()) - before).toBeLessThan(240_000_000);
    for (const client of clients.slice(0, 4)) {
      client.ws.resume();
      expect(await idsOf(client)).toEqual(ids);
    }
  });
});
