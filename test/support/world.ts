import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../../src/base/wait.ts';
import { type Client, createClient } from '../../src/client/client.ts';
import type { InputOf } from '../../src/contract/api.ts';
import type { Config } from '../../src/contract/config.ts';
import type { View } from '../../src/contract/fold.ts';
import { isRequestOver, type Request } from '../../src/contract/request.ts';
import { isSessionOver } from '../../src/contract/session.ts';
import type { Task } from '../../src/contract/task.ts';
import { ensureDaemon, stopDaemon } from '../../src/daemon/spawn-daemon.ts';
import { JournalWatch, LIMIT_MS } from './journal-watch.ts';
import { type Leftover, leftovers } from './leftovers.ts';
import { programFile } from './programs.ts';
import { makeRepository, type TestRepository } from './repository.ts';
import type { Act, AgentKind, ScriptedAgent } from './scripted-agent.ts';
import { COMPILE_CACHE, tempDir } from './temp.ts';

/** As `gantry down` has it. */
const DOWN_GRACE_MS = 15_000;
const MAIN = programFile('cli/main');

export type CliResult = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as the one JSON document that it is. */
  readonly json: () => never;
};

/** What is written into the user's configuration beside the good backend. */
export type WorldConfig = Config | ((agent: ScriptedAgent) => Config);

/** A task of a plan, as a scenario writes it. */
export type Work = {
  readonly id: string;
  readonly acts: readonly Act[];
  readonly needs?: readonly string[];
  readonly files?: readonly string[];
  /** The command of its success criterion. */
  readonly check?: string;
  readonly words?: string;
  readonly role?: string;
  /** Whose script its acts are; default: the world's own agent. */
  readonly agent?: ScriptedAgent;
};

export type Project = TestRepository & { readonly remote: string };

/**
 * A machine of its own for one scenario: a user with their configuration files, a project with a remote, an agent program
 * with its script, a home of Gantry. The daemon is reached as a user reaches it: by the CLI and by HTTP.
 */
export class World implements AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly userHome: string;
  readonly agent: ScriptedAgent;
  /** Further agent programs. */
  readonly others: readonly ScriptedAgent[];
  readonly projects: Project[] = [];
  /** Variables of the person's shell. */
  readonly env: Record<string, string>;
  readonly #stack: AsyncDisposableStack;
  #journal = new JournalWatch();
  #client: Client | null = null;
  #pid: number | null = null;
  /** All that were ever configured. */
  #backends: NonNullable<Config['backends']> = {};

  private constructor(root: string, { agent, others }: Pick<World, 'agent' | 'others'>, stack: AsyncDisposableStack) {
    this.root = root;
    this.home = join(root, 'home');
    this.userHome = join(root, 'user');
    this.agent = agent;
    this.others = others;
    this.#stack = stack;
    this.env = {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      HOME: this.userHome,
      TMPDIR: join(root, 'tmp'),
      GANTRY_HOME: this.home,
      ...COMPILE_CACHE,
    };
  }

  /** With a project, and without a daemon yet. */
  static async make(kind: AgentKind, config: WorldConfig = {}, otherKinds: readonly AgentKind[] = []): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const { path: root } = stack.use(await tempDir());
    const home = join(root, 'home');
    for (const name of ['home', 'user', 'tmp', 'projects']) await mkdir(join(root, name), { mode: 0o700 });
    const agent = stack.use(await kind.setUp({ root, home }));
    const others: ScriptedAgent[] = [];
    for (const other of otherKinds) others.push(stack.use(await other.setUp({ root, home })));
    const world = new World(root, { agent, others }, stack.move());
    await seedUser(world.userHome);
    await world.configure(config);
    await world.addProject();
    return world;
  }

  get project(): Project {
    const [project] = this.projects;
    if (!project) throw new Error('the world has no project');
    return project;
  }

  get journal(): JournalWatch {
    return this.#journal;
  }

  get client(): Client {
    if (!this.#client) throw new Error('no daemon runs');
    return this.#client;
  }

  get hasDaemon(): boolean {
    return this.#pid !== null;
  }

  get daemonPid(): number {
    if (this.#pid === null) throw new Error('no daemon runs');
    return this.#pid;
  }

  /** Writes the user's configuration file anew. */
  async configure(given: WorldConfig): Promise<void> {
    const { agent } = this;
    const config = typeof given === 'function' ? given(agent) : given;
    const others = Object.fromEntries(this.others.map(({ backend, settings }) => [backend, settings]));
    this.#backends = { ...this.#backends, [agent.backend]: agent.settings, ...others, ...config.backends };
    const whole = {
      defaultBackend: agent.backend,
      ...config,
      backends: this.#backends,
      policy: { default: 'allow', ...config.policy },
      limits: { retryBackoff: 10, ...config.limits },
    };
    await writeFile(join(this.home, 'config.jsonc'), JSON.stringify(whole, null, 2));
  }

  async addProject(options: { readonly hasCommit?: boolean } = {}): Promise<Project> {
    const repository = await makeRepository({ ...options, below: join(this.root, 'projects') });
    const remote = repository.beside('remote.git');
    await repository.git(['init', '--quiet', '--bare', remote]);
    await repository.git(['remote', 'add', 'origin', remote]);
    if (options.hasCommit !== false) await repository.git(['push', '--quiet', 'origin', 'main']);
    const project = { ...repository, remote };
    this.projects.push(project);
    return project;
  }

  /** Runs `gantry` as a person in the project would. */
  gantry(
    args: readonly string[],
    more: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
  ): Promise<CliResult> {
    return new Promise((resolve) => {
      const options = {
        cwd: more.cwd ?? this.project.root,
        env: { ...this.env, ...more.env },
        timeout: 2 * LIMIT_MS,
        maxBuffer: 64 * 1024 * 1024,
      };
      const child = execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr, json: () => JSON.parse(stdout) as never });
      });
      child.stdin?.end();
    });
  }

  /** Starts the daemon as `gantry up` does, without a program for that, on a free port unless one is named. */
  async up(port = 0): Promise<void> {
    const { url, pid, token } = await ensureDaemon({
      home: this.home,
      environment: this.env,
      port,
      isStartAllowed: true,
    });
    this.#pid = pid;
    this.#client = createClient({ url, token });
    this.journal.follow(this.#client);
  }

  /** The same machine for another scenario, which sees nothing of what was before. Backends that differ want a new daemon. */
  async renew(config: WorldConfig = {}): Promise<void> {
    for (const agent of [this.agent, ...this.others]) await agent.renew?.();
    await this.journal.pause();
    const { seq } = this.journal.view;
    const before = this.#backends;
    await this.configure(config);
    this.#journal = new JournalWatch(seq);
    if (JSON.stringify(this.#backends) === JSON.stringify(before)) return this.journal.follow(this.client);
    await this.down();
    await this.up();
  }

  /** No session is at work, and nothing of what was started for one is left. */
  async settled(): Promise<void> {
    await this.until('the end of every session', ({ sessions }) =>
      [...sessions.values()].every(({ state }) => state === 'paused' || isSessionOver(state)),
    );
    let left: readonly Leftover[] = [];
    const isAlone = async (): Promise<true | null> => {
      left = await this.#others();
      return left.length === 0 ? true : null;
    };
    // The last git command of a task may still run.
    await until(isAlone, { everyMs: 100, limitMs: LIMIT_MS }, () => new Error(`left: ${JSON.stringify(left)}`));
  }

  /** What agents run or have left: a git command of the daemon, which ends by itself, is none of it. */
  async strangers(): Promise<readonly Leftover[]> {
    return (await this.#others()).filter(({ command }) => !/^(\S*\/)?git /.test(command));
  }

  /** The living processes of this world but for the daemon and the programs that stand by. */
  async #others(): Promise<readonly Leftover[]> {
    const all = (await leftovers(this.root)) ?? [];
    const isStanding = (one: Leftover): boolean =>
      [this.agent, ...this.others].some((agent) => agent.isStanding?.(one));
    return all.filter((one) => one.pid !== this.#pid && !isStanding(one));
  }

  /** Stops the daemon as `gantry down` does. */
  async down(): Promise<void> {
    await this.#leave();
    await stopDaemon(this.home, { graceMs: DOWN_GRACE_MS });
  }

  /** Ends the daemon as a power cut would, and waits until it is gone. */
  async kill(): Promise<void> {
    const pid = this.daemonPid;
    process.kill(pid, 'SIGKILL');
    await this.#leave();
    await gone(pid);
  }

  async #leave(): Promise<void> {
    await this.journal.pause();
    this.#client = null;
    this.#pid = null;
  }

  call: Client['call'] = (name, input, options) => this.client.call(name, input, options);

  until<T>(what: string, check: (view: View) => T | null | undefined | false): Promise<T> {
    return this.journal.until(what, check);
  }

  /** A request in words; `project` is this world's own if none is named. */
  submit(
    text: string,
    input: Omit<InputOf<'requests.submit'>, 'text' | 'project'> & { readonly project?: string } = {},
  ): Promise<Request> {
    return this.call('requests.submit', { project: this.project.root, ...input, text });
  }

  /** A request of one task, carried out without a planner. */
  submitOne(
    acts: readonly Act[],
    options: InputOf<'requests.submit'>['options'] = {},
    words = 'Do it.',
  ): Promise<Request> {
    return this.submit(`${words}\n${this.agent.play(...acts)}`, { options: { isSingleTask: true, ...options } });
  }

  submitPlan(tasks: readonly Work[], options: InputOf<'requests.submit'>['options'] = {}): Promise<Request> {
    return this.submit(planText(this.agent, tasks), { options });
  }

  over(id: Request['id']): Promise<Request> {
    return this.until(`the end of ${id}`, ({ requests }) => {
      const request = requests.get(id);
      return request && isRequestOver(request.state) && request;
    });
  }

  /** The task of a request by its label, once there is one in one of these states (any, if none is named). */
  task(id: Request['id'], label = 'T1', ...states: readonly Task['state'][]): Promise<Task> {
    return this.until(`${label} of ${id} ${states.join(' or ')}`, ({ tasks }) =>
      [...tasks.values()].find(
        (task) => task.requestId === id && task.label === label && (states.length === 0 || states.includes(task.state)),
      ),
    );
  }

  /** The daemon's log. */
  log(): Promise<string> {
    return readFile(join(this.home, 'logs', 'daemon.log'), 'utf8').catch(() => '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pid !== null) {
      const pid = this.#pid;
      await this.down();
      await gone(pid);
    }
    await this.#stack.disposeAsync();
  }
}

/** A request whose planner answers with these tasks. */
export function planText(agent: ScriptedAgent, tasks: readonly Work[]): string {
  const plan = {
    tasks: tasks.map((task) => ({
      task_id: task.id,
      title: `Task ${task.id}`,
      description: `${task.words ?? `Do ${task.id}.`} ${(task.agent ?? agent).play(...task.acts)}`,
      ...(task.role !== undefined && { role: task.role }),
      files: task.files ?? [],
      success_criteria: task.check === undefined ? [] : [{ text: `${task.id} is done`, command: task.check }],
      dependencies: task.needs ?? [],
      budget: 'small',
    })),
  };
  return `Make things.\n${agent.play({ text: JSON.stringify(plan) })}`;
}

/** What belongs to a user and is none of Gantry's business. */
async function seedUser(home: string): Promise<void> {
  const files = {
    '.gitconfig': '[user]\n\tname = A Person\n\temail = person@example.org\n[init]\n\tdefaultBranch = main\n',
    '.config/opencode/opencode.json': '{ "theme": "mine", "model": "nobody/nothing" }\n',
    '.claude/settings.json': '{ "permissions": { "allow": [] } }\n',
    '.claude.json': '{ "numStartups": 3 }\n',
    '.bashrc': '# mine\n',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(home, path, '..'), { recursive: true });
    await writeFile(join(home, path), content);
  }
}

/** Waits until no process has this pid. */
export async function gone(pid: number): Promise<void> {
  await until(
    async () => ((await isRunning(pid)) ? null : true),
    { everyMs: 10, limitMs: LIMIT_MS },
    () => new Error(`process ${pid} is still there`),
  );
}

/** A zombie has ended. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat !== null && !/^\d+ \(.*\) [ZX] /s.test(stat);
}
