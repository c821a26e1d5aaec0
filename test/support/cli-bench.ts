import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endDaemon } from '../../src/daemon/spawn-daemon.ts';
import { Cli, type CliOptions, type CliResult, cliCommand, cliEnvironment, documentOf, gantry } from './cli.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import { tempDir } from './temp.ts';
import { Terminal } from './terminal.ts';

/** What the fake agent does in a task, as steps of its script. */
export type FakeTask = {
  readonly id: string;
  readonly steps: readonly object[];
  readonly needs?: readonly string[];
  readonly check?: string;
};

/** A request in whose words its plan and the work of its agents are written down. */
export function requestFor(...tasks: readonly FakeTask[]): string {
  const plan = {
    tasks: tasks.map((task) => ({
      task_id: task.id,
      title: `Task ${task.id}`,
      description: `Do ${task.id}. @@fake ${JSON.stringify(task.steps)}`,
      files: [],
      success_criteria: task.check === undefined ? [] : [{ text: `${task.id} is right`, command: task.check }],
      dependencies: task.needs ?? [],
    })),
  };
  return `Make things. @@fake ${JSON.stringify([{ text: JSON.stringify(plan) }])}`;
}

export const write = (path: string): object => ({ write: { path, content: `${path}\n` } });

type TerminalOptions = {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
};

/** A home whose daemon works with fake agents on a free port, a project, and commands in it. */
export type CliBench = AsyncDisposable & {
  readonly home: string;
  readonly repo: TestRepository;
  readonly run: (args: readonly string[], options?: Partial<CliOptions>) => Promise<CliResult>;
  /** The document of a command with `--json`. */
  readonly json: (...args: string[]) => Promise<unknown>;
  readonly start: (...args: string[]) => Cli;
  readonly terminal: (args: readonly string[], options?: TerminalOptions) => Promise<Terminal>;
};

export async function openCliBench(config: Readonly<Record<string, unknown>> = {}): Promise<CliBench> {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir()).path;
  const repo = stack.use(await makeRepository());
  mkdirSync(join(home, 'control'));
  const whole = {
    defaultBackend: 'fake',
    backends: { fake: { env: { GANTRY_FAKE_CONTROL: join(home, 'control') } } },
    server: { port: 0 },
    ...config,
  };
  writeFileSync(join(home, 'config.jsonc'), JSON.stringify(whole));
  stack.defer(() => endDaemon(home, { graceMs: 10_000 }));
  const run: CliBench['run'] = (args, options = {}) => gantry(args, { home, cwd: repo.root, ...options });
  return {
    home,
    repo,
    run,
    json: async (...args) => documentOf(await run([...args, '--json'])),
    start: (...args) => stack.use(new Cli(args, { home, cwd: repo.root })),
    terminal: async (args, { env: extra = {}, ...size } = {}) => {
      const env = cliEnvironment({ home, env: extra });
      return stack.use(await Terminal.open(cliCommand(...args), { cwd: repo.root, env, ...size }));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
