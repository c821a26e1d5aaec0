import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ScriptedModel, startScriptedModel } from '../../src/models/scripted/server.ts';
import { opencodeProgram, scriptedConfig } from './opencode.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';

const STUB = { dependencies: { '@opencode-ai/plugin': '1.18.33' } };
const LIMIT_MS = 90_000;

export type Ran = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly sessionId: string;
};

/** A server of the person's, with what a terminal asks of it. */
export type Served = {
  readonly url: string;
  readonly child: ChildProcess;
  readonly newSession: () => Promise<string>;
  /** Gives a prompt; it is answered in the background. */
  readonly prompt: (sessionId: string, text: string) => Promise<void>;
  readonly call: (method: string, path: string, body?: unknown) => Promise<unknown>;
};

/** A person with an OpenCode of their own on the scripted model, and a project. Gantry has no part in it. */
export type PersonsOpencode = AsyncDisposable & {
  readonly root: string;
  readonly home: string;
  readonly configFile: string;
  readonly project: TestRepository;
  readonly model: ScriptedModel;
  readonly env: Readonly<Record<string, string>>;
  /** Writes `plugin` into the person's configuration. */
  readonly configure: (plugin: readonly unknown[]) => Promise<void>;
  /** `opencode run` to its end. */
  readonly run: (
    prompt: string,
    more?: { readonly env?: Record<string, string>; readonly args?: readonly string[] },
  ) => Promise<Ran>;
  /** `opencode serve`; ended with the person. */
  readonly serve: (env?: Record<string, string>) => Promise<Served>;
};

/** An entry of OpenCode's `plugin` list. */
export const entryOf = (file: string, home: string): readonly unknown[] => [pathToFileURL(file).href, { home }];

export async function personsOpencode(): Promise<PersonsOpencode> {
  await using stack = new AsyncDisposableStack();
  const { path: root } = stack.use(await tempDir());
  const model = await startScriptedModel({});
  stack.defer(() => model.close());
  const project = stack.use(await makeRepository());
  const home = join(root, 'user');
  const config = join(home, '.config', 'opencode');
  for (const path of [join(config, 'node_modules'), join(root, 'tmp')]) await mkdir(path, { recursive: true });
  // OpenCode would install its plugin package here, from the registry.
  await writeFile(join(config, 'package.json'), JSON.stringify(STUB));
  await writeFile(join(config, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages: { '': STUB } }));
  await writeFile(join(config, '.gitignore'), 'node_modules\npackage.json\npackage-lock.json\nbun.lock\n.gitignore');
  await writeFile(join(root, 'models.json'), '{}');
  const configFile = join(config, 'opencode.json');
  const env = {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    TMPDIR: join(root, 'tmp'),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
    OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
    OPENCODE_MODELS_PATH: join(root, 'models.json'),
  };
  const children = stack.use(new AsyncDisposableStack());
  const start = (args: readonly string[], more: Record<string, string> = {}): ChildProcess => {
    const child = spawn(opencodeProgram(), args, { cwd: project.root, env: { ...env, ...more }, stdio: 'pipe' });
    children.defer(async () => {
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    });
    return child;
  };
  const configure = async (plugin: readonly unknown[]): Promise<void> => {
    const whole = {
      $schema: 'https://opencode.ai/config.json',
      ...scriptedConfig(model.url),
      autoupdate: false,
      share: 'disabled',
      snapshot: false,
      ...(plugin.length > 0 && { plugin }),
    };
    await writeFile(configFile, `${JSON.stringify(whole, null, 2)}\n`);
  };
  await configure([]);
  const kept = stack.move();
  return {
    root,
    home,
    configFile,
    project,
    model,
    env,
    configure,
    run: (prompt, more = {}) => runToEnd(start(['run', '--format', 'json', ...(more.args ?? [])], more.env), prompt),
    serve: async (more) => {
      const child = start(['serve', '--port', '0', '--hostname', '127.0.0.1'], more);
      return served(child, await addressOf(child), project.root);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function runToEnd(child: ChildProcess, prompt: string): Promise<Ran> {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  child.stdin?.end(prompt);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  const [, sessionId = ''] = /"sessionID":"(ses_\w+)"/.exec(output.stdout) ?? [];
  return { code, ...output, sessionId };
}

async function addressOf(child: ChildProcess): Promise<string> {
  let said = '';
  for await (const chunk of child.stdout ?? []) {
    said += String(chunk);
    const [, url] = /listening on (http:\S+)/.exec(said) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`opencode serve ended: ${said}`);
}

function served(child: ChildProcess, url: string, directory: string): Served {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    const said = await answer.text();
    return said === '' ? null : JSON.parse(said);
  };
  return {
    url,
    child,
    call,
    newSession: async () => ((await call('POST', '/session', { title: 'of a test' })) as { id: string }).id,
    prompt: async (sessionId, text) =>
      void (await call('POST', `/session/${sessionId}/prompt_async`, { parts: [{ type: 'text', text }] })),
  };
}
