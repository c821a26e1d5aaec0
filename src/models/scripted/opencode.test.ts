import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scope } from '../../base/scope.ts';
import { deferred, within } from '../../base/wait.ts';
import { loadDemoScript, type Step } from './script.ts';
import { type ScriptedModel, startScriptedModel } from './server.ts';

// The real OpenCode with a private home and an environment made from nothing, on the scripted model: no other network.

const BINARY = fileURLToPath(
  new URL(
    `../../../agents/opencode/node_modules/opencode-${platform() === 'win32' ? 'windows' : platform()}-${arch()}/bin/opencode`,
    import.meta.url,
  ),
);
const PLUGIN_STUB = { dependencies: { '@opencode-ai/plugin': '1.18.33' } };
const LIMIT_MS = 90_000;
const scope = new Scope();
let model: ScriptedModel;
let project: string;
let call: (method: string, path: string, body?: unknown) => Promise<Response>;

type Message = {
  info: { finish?: string; tokens: { input: number; output: number } };
  parts: { type: string; text?: string; state?: { status: string; output?: string } }[];
};

beforeAll(async () => {
  const root = await mkdtemp(join(tmpdir(), 'gantry-model-opencode-'));
  scope.defer(() => rm(root, { recursive: true, force: true }));
  const dir = async (...path: string[]): Promise<string> => {
    const made = join(root, ...path);
    await mkdir(made, { recursive: true });
    return made;
  };
  project = await dir('project');
  const config = await dir('config', 'opencode', 'node_modules').then((path) => join(path, '..'));
  await writeFile(join(config, 'package.json'), JSON.stringify(PLUGIN_STUB));
  const lock = { lockfileVersion: 3, packages: { '': PLUGIN_STUB } };
  await writeFile(join(config, 'package-lock.json'), JSON.stringify(lock));
  const models = join(root, 'models.json');
  await writeFile(models, '{}');
  model = scope.use(await startScriptedModel({ script: await loadDemoScript() }));
  const switches = ['AUTOUPDATE', 'MODELS_FETCH', 'LSP_DOWNLOAD', 'DEFAULT_PLUGINS', 'PROJECT_CONFIG', 'CLAUDE_CODE'];
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: await dir('home'),
    XDG_CONFIG_HOME: join(root, 'config'),
    XDG_DATA_HOME: await dir('data'),
    XDG_CACHE_HOME: await dir('cache'),
    XDG_STATE_HOME: await dir('state'),
    TMPDIR: await dir('tmp'),
    OPENCODE_SERVER_PASSWORD: 'test',
    OPENCODE_MODELS_PATH: models,
    OPENCODE_CONFIG_CONTENT: JSON.stringify(openCodeConfig(model.url)),
    ...Object.fromEntries(switches.map((name) => [`OPENCODE_DISABLE_${name}`, '1'])),
  };
  const args = ['serve', '--port', '0', '--hostname', '127.0.0.1'];
  const child = spawn(BINARY, args, { cwd: project, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  scope.defer(() => stop(child));
  const url = await listening(child);
  const authorization = `Basic ${Buffer.from('opencode:test').toString('base64')}`;
  call = (method, path, body) =>
    fetch(`${url}${path}?directory=${encodeURIComponent(project)}`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  scope.defer(() => call('POST', '/global/dispose'));
}, LIMIT_MS);

afterAll(() => scope.close(), LIMIT_MS);

const openCodeConfig = (url: string): unknown => ({
  autoupdate: false,
  share: 'disabled',
  snapshot: false,
  enabled_providers: ['scripted'],
  model: 'scripted/m1',
  small_model: 'scripted/m1',
  provider: {
    scripted: {
      npm: '@ai-sdk/openai-compatible',
      options: { baseURL: `${url}/v1`, apiKey: 'unused' },
      models: {
        m1: {
          tool_call: true,
          reasoning: true,
          interleaved: { field: 'reasoning_content' },
          limit: { context: 128_000, output: 8_192 },
        },
      },
    },
  },
});

async function listening(child: ChildProcess): Promise<string> {
  const found = deferred<string>();
  let output = '';
  const read = (data: Buffer): void => {
    output += data.toString();
    const url = /listening on (http:\S+)/.exec(output)?.[1];
    if (url) found.resolve(url);
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  child.on('exit', () => found.reject(new Error(`opencode ended: ${output}`)));
  child.on('error', (error) => found.reject(error));
  return within(found.promise, 60_000, () => new Error(`opencode is not ready: ${output}`));
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  process.kill(-child.pid, 'SIGKILL');
  await exit;
}

/** One turn in a new session; the answer is the last assistant message. */
async function turn(text: string): Promise<{ sessionId: string; message: Message }> {
  const { id } = (await (await call('POST', '/session', { title: 'test' })).json()) as { id: string };
  const response = await call('POST', `/session/${id}/message`, { parts: [{ type: 'text', text }] });
  return { sessionId: id, message: (await response.json()) as Message };
}

/** Collects the live text of the directory's events until the scope closes. */
async function followDeltas(): Promise<() => string[]> {
  const deltas: string[] = [];
  const stream = (await call('GET', '/event')).body?.pipeThrough(new TextDecoderStream());
  const connected = deferred<void>();
  const read = async (): Promise<void> => {
    let buffer = '';
    for await (const text of stream ?? []) {
      buffer += text;
      const frames = buffer.split('\n\n');
      buffer = frames.pop() ?? '';
      for (const frame of frames) {
        const event = JSON.parse(frame.replace(/^data: /, ''));
        connected.resolve();
        if (event.type === 'message.part.delta') deltas.push(event.properties.delta);
      }
    }
  };
  read().catch((error: unknown) => connected.reject(new Error('the event stream ended', { cause: error })));
  await connected.promise;
  return () => deltas;
}

test(
  'a turn of two steps with a tool call streams and finishes',
  async () => {
    const deltas = await followDeltas();
    const steps: Step[] = [
      {
        reasoning: 'A relative path is enough.',
        tools: [{ name: 'write', input: { filePath: 'note.txt', content: 'from the model\n' } }],
        usage: { input: 1000, output: 50, cachedInput: 400, reasoning: 20 },
      },
      { text: 'one two three four ', chunks: 4, chunkDelayMs: 20, usage: { input: 30, output: 7 } },
    ];
    const { sessionId, message } = await turn(`Please write.\n@@model ${JSON.stringify(steps)}`);

    expect(message.info).toMatchObject({ finish: 'stop', tokens: { input: 30, output: 7 } });
    expect(message.parts.find((part) => part.type === 'text')?.text?.trim()).toBe('one two three four');
    expect(await readFile(join(project, 'note.txt'), 'utf8')).toBe('from the model\n');
    await expect
      .poll(() => deltas().join(''), { timeout: 60_000 })
      .toContain('A relative path is enough.one two three four');
    expect(deltas().filter((delta) => steps[1]?.text?.includes(delta)).length).toBeGreaterThanOrEqual(2);

    const asked = model.requests().filter((request) => request.sessionId === sessionId);
    expect(asked).toMatchObject([
      { endpoint: '/v1/chat/completions', played: { source: 'marker', index: 0 }, status: 200, ending: 'whole' },
      { endpoint: '/v1/chat/completions', played: { source: 'marker', index: 1 }, status: 200, ending: 'whole' },
    ]);
    const history = (await (await call('GET', `/session/${sessionId}/message`)).json()) as Message[];
    expect(history[1]?.info.tokens).toMatchObject({ input: 600, output: 30, reasoning: 20, cache: { read: 400 } });
  },
  LIMIT_MS,
);

test(
  'the demo plays: three tasks leave files that meet their criteria',
  async () => {
    const script = await loadDemoScript();
    const plan = script.rules[0]?.steps[0]?.json as {
      tasks: { title: string; files: string[]; success_criteria: { command: string }[] }[];
    };
    for (const task of plan.tasks) {
      const { message } = await turn(`Task: ${task.title}\n\nDo it well.`);
      expect(message.info.finish).toBe('stop');
      for (const file of task.files) expect(await readFile(join(project, file), 'utf8')).not.toBe('');
      for (const { command } of task.success_criteria) {
        await promisify(execFile)('sh', ['-c', command], { cwd: project, env: { PATH: '/usr/bin:/bin' } });
      }
      if (task.title === 'Test the script') expect(message.parts.at(-2)?.text).toContain('ok: hello.py');
    }
  },
  LIMIT_MS,
);
