import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Scope } from '../base/scope.ts';
import { type Client, createClient } from '../client/client.ts';
import type { Config } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import { userConfigFile } from '../daemon/config.ts';
import type { Environment } from '../daemon/environment.ts';
import { writePrivateFile } from '../daemon/private-file.ts';
import { endDaemon, ensureDaemon } from '../daemon/spawn-daemon.ts';
import { loadDemoScript } from '../models/scripted/script.ts';
import { startScriptedModel } from '../models/scripted/server.ts';
import { DemoProject, installedAgent } from './demo-project.ts';

/** A daemon of its own home, a project of its own, and the scripted model: everything that the demo needs, and its end. */
export type Demo = {
  readonly client: Client;
  readonly url: string;
  readonly project: DemoProject;
  /** Home and project are in here. */
  readonly directory: string;
};

export const DEMO_REQUEST = 'Create a Python script that prints hello';
const STOP_GRACE_MS = 15_000;

/** Sets the stage; what was started ends with `scope`, last the directory is removed unless it is kept. */
export async function openDemo(scope: Scope, environment: Environment, isKept: boolean): Promise<Demo> {
  const agent = installedAgent();
  const path = [agent.ripgrep === null ? null : dirname(agent.ripgrep), environment.PATH]
    .filter(Boolean)
    .join(delimiter);
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'gantry-demo-')));
  scope.defer(() => {
    if (!isKept) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  const project = new DemoProject(join(directory, 'project'), path);
  await project.create();
  const model = scope.use(await startScriptedModel({ script: await loadDemoScript() }));
  const home = join(directory, 'home');
  writePrivateFile(userConfigFile(home), `${JSON.stringify(demoConfig(model.url, agent.opencode), null, 2)}\n`);
  scope.defer(() => endDaemon(home, { graceMs: STOP_GRACE_MS }));
  const { url, token } = await ensureDaemon({
    home,
    environment: { ...withoutSettings(environment), PATH: path },
    port: 0,
    isStartAllowed: true,
  });
  return { client: createClient({ url, token }), url, project, directory };
}

/** The person's own settings must not change what the demo shows. */
const withoutSettings = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(GANTRY|ROZET|OPENCODE)_/.test(name)));

/** OpenCode with an empty home of its own, on the scripted model; every bash command is asked for, one is allowed. */
function demoConfig(modelUrl: string, opencode: string | null): Config {
  const model = { name: 'Scripted', tool_call: true, limit: { context: 128_000, output: 8_192 } };
  return {
    backends: {
      opencode: {
        ...(opencode !== null && { command: [opencode] }),
        profile: 'private',
        model: 'scripted/m1',
        config: {
          model: 'scripted/m1',
          small_model: 'scripted/m1',
          enabled_providers: ['scripted'],
          provider: {
            scripted: {
              npm: '@ai-sdk/openai-compatible',
              options: { baseURL: `${modelUrl}/v1`, apiKey: 'unused' },
              models: { m1: { ...model, reasoning: true, interleaved: { field: 'reasoning_content' } } },
            },
          },
        },
      },
    },
    policy: {
      rules: [{ action: 'allow', tool: 'bash', pattern: 'sh test_hello.sh', reason: 'The test of the demo may run.' }],
    },
  };
}

/** Whether the agent program is there at all, said before anything is started. @throws AppError backend_missing */
export async function requireAgent(client: Client): Promise<void> {
  const { items } = await client.call('backends.list', {});
  const opencode = items.find((backend) => backend.id === 'opencode');
  if (opencode === undefined || opencode.problem === null) return;
  throw new AppError('backend_missing', `OpenCode cannot be used: ${opencode.problem}`, {
    details: { remedy: 'npm start installs it; or: npm install -g opencode-ai' },
  });
}
