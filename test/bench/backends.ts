import { join } from 'node:path';
import type { Config } from '../../src/contract/config.ts';
import type { Fact } from '../../src/contract/fact.ts';
import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { claudeTools, scriptedClaude } from '../support/claude.ts';
import { opencodeProgram, scriptedConfig, scriptedPrompt } from '../support/opencode.ts';
import { type Bare, bare, opencodeEnv } from './bare.ts';
import { type BenchDaemon, type BenchHome, benchHome } from './bench-home.ts';
import type { Arrival, FactWatch } from './fact-watch.ts';
import { type Measure, type Row, sampled, single } from './report.ts';
import { median, repeat } from './sample.ts';

const BACKENDS = ['fake', 'opencode', 'claude', 'acp'] as const;
type BackendName = (typeof BACKENDS)[number];

const say = (name: BackendName): string =>
  name === 'fake' ? '@@fake [{"text":"done"}]' : scriptedPrompt({ text: 'done' });

/** The guide's five measures, for every backend in one daemon. */
export const backends: Measure = {
  name: 'backends',
  title: 'Each backend, next to its program by hand',
  how: 'One daemon with all backends; OpenCode and Claude Code are real and ask the scripted model, `acp` is OpenCode driven by the Agent Client Protocol. By hand: the bare program is started as its own documentation says, with an empty home and the same configuration, until it would take a prompt; one is started after each session of Gantry, so that a change of load meets both. Ready: from the fact that the session starts to the fact that it runs. Claim: from the assignment of a task to the fact that its prompt was accepted, with the worktree and the session in between; next to the bare start, which has no worktree. Messages: a standing agent of one backend sends one to a standing agent of the next by Gantry’s MCP tool (for the fake agent, which has no MCP, a person does); from the fact that it was queued to delivered and to seen. Memory and processor time: of the whole process trees by the number of sessions, while they are idle; pages that processes share are counted for each, and the server that OpenCode’s sessions share by its part.',
  run: async ({ isQuick }) => {
    const sessions = isQuick ? 2 : 5;
    await using model = await startScriptedModel({});
    await using home = await benchHome(await configOf(model.url));
    await using daemon = await home.up();
    const watch = await daemon.watch();
    const place = { root: home.root, project: home.project, modelUrl: model.url };
    const rows: Row[] = [];
    for (const name of BACKENDS) {
      process.stderr.write(`  ${name} …\n`);
      const pairs = await repeat(sessions, async (i) => ({
        ready: await started(home, daemon, watch, { name, agent: `${name}-${i}` }),
        bare: await bare(name, place),
      }));
      rows.push(
        ...readyRows(name, pairs),
        ...(await treeRows(
          name,
          daemon,
          sessions,
          pairs.map((pair) => pair.bare),
        )),
      );
      const claims = await repeat(sessions, () => claimed(home, daemon, watch, name));
      const byHand = median(pairs.map((pair) => pair.bare.readyMs));
      rows.push(
        sampled(`${name}: claim to first prompt accepted`, 'ms', claims),
        single('… by the bare start', '×', median(claims) / byHand, sessions),
      );
    }
    rows.push(...(await messageRows(daemon, watch, home, sessions)));
    return rows;
  },
};

async function configOf(modelUrl: string): Promise<Config> {
  const own = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'bench-acp');
  return {
    defaultBackend: 'fake',
    backends: {
      fake: {},
      opencode: { command: [opencodeProgram()], profile: 'private', config: scriptedConfig(modelUrl) },
      claude: scriptedClaude(modelUrl),
      acp: { acp: [opencodeProgram(), 'acp'], profile: 'private', env: await opencodeEnv(own, modelUrl) },
    },
    roles: Object.fromEntries(BACKENDS.map((name) => [name, { backend: name }])),
    policy: { default: 'allow' },
    limits: { maxParallel: 20, memoryReserve: 0 },
  };
}

const moved = (fact: Fact, kind: Fact['kind'], id: string, to: string): boolean =>
  fact.kind === kind && 'row' in fact.data && fact.data.row.id === id && fact.data.to === to && fact.data.from !== to;

async function started(
  { project }: BenchHome,
  { client }: BenchDaemon,
  watch: FactWatch,
  { name, agent }: { readonly name: BackendName; readonly agent: string },
): Promise<number> {
  const isOwn = ({ kind, data }: Fact): boolean =>
    kind === 'session.changed' && data.row.agent?.endsWith(`/${agent}`) === true && data.from !== data.to;
  const begins = watch.next(
    `the start of ${agent}`,
    (fact) => isOwn(fact) && 'to' in fact.data && fact.data.to === 'starting',
  );
  const runs = watch.next(`${agent} running`, (fact) => isOwn(fact) && 'to' in fact.data && fact.data.to === 'running');
  await client.call('agents.start', { agent, role: name, project });
  return (await runs).fact.at - (await begins).fact.at;
}

function readyRows(name: BackendName, pairs: readonly { readonly ready: number; readonly bare: Bare }[]): Row[] {
  const [first] = pairs;
  const ready = pairs.map((pair) => pair.ready);
  const byHand = pairs.map((pair) => pair.bare.readyMs);
  const cold =
    name === 'opencode' && first
      ? [
          single('opencode: the first, with its server', 'ms', first.ready, 1),
          single('… by the median by hand', '×', first.ready / median(byHand), 1),
        ]
      : [];
  const usual = name === 'opencode' ? ready.slice(1) : ready;
  return [
    ...cold,
    sampled(`${name}: start to ready${name === 'opencode' ? ', on the server that runs' : ''}`, 'ms', usual),
    sampled(`${name}: by hand`, 'ms', byHand),
    single('… ratio of the medians', '×', median(usual) / median(byHand), usual.length),
  ];
}

/** What the daemon itself says of the process trees, and how many sessions it counts. */
async function treeRows(
  name: BackendName,
  daemon: BenchDaemon,
  asked: number,
  byHand: readonly Bare[],
): Promise<Row[]> {
  const text = await daemon.metrics();
  const sum = (metric: string, ...labels: readonly string[]): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`) && labels.every((label) => line.includes(label)))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
  const count = sum('gantry_sessions', `backend="${name}"`, 'state="running"');
  const megabytes = sum('gantry_agent_memory_bytes', `kind="${name}"`) / 1024 ** 2 / count;
  const cpuMs = (sum('gantry_agent_cpu_seconds', `kind="${name}"`) * 1_000) / count;
  const isAll = { text: `= ${asked}`, isMet: count === asked };
  return [
    single(`${name}: sessions that are live`, 'sessions', count, 1, isAll),
    single(`${name}: memory (RSS) of a session’s tree`, 'MB', megabytes, count),
    sampled(
      `${name}: by hand`,
      'MB',
      byHand.map((one) => one.megabytes),
    ),
    single('… ratio', '×', megabytes / median(byHand.map((one) => one.megabytes)), count),
    single(`${name}: processor time of a session’s tree until ready`, 'ms', cpuMs, count),
    sampled(
      `${name}: by hand`,
      'ms',
      byHand.map((one) => one.cpuMs),
    ),
    single('… ratio', '×', cpuMs / median(byHand.map((one) => one.cpuMs)), count),
  ];
}

async function claimed(
  { project }: BenchHome,
  { client }: BenchDaemon,
  watch: FactWatch,
  name: BackendName,
): Promise<number> {
  const assigned = watch.next('an assignment', ({ kind, data }) => kind === 'task.changed' && data.to === 'assigned');
  const accepted = watch.next('a prompt', ({ kind, taskId }) => kind === 'prompt.accepted' && taskId !== null);
  const over = watch.next(
    'its end',
    ({ kind, data }) => kind === 'request.changed' && data.from !== data.to && data.to === 'done',
  );
  await client.call('requests.submit', { text: say(name), project, options: { isSingleTask: true, backend: name } });
  const took = (await accepted).fact.at - (await assigned).fact.at;
  await over;
  return took;
}

/** The words that make an agent send it; null: the fake agent has no MCP, so that a person sends. */
function toolCall(name: BackendName, input: object): string | null {
  const tool = 'messages_send';
  if (name === 'fake') return null;
  if (name === 'claude') return scriptedPrompt({ tools: [claudeTools.gantry({ tool, input })] }, { text: 'sent' });
  return scriptedPrompt({ tools: [{ name: `gantry_${tool}`, input }] }, { text: 'sent' });
}

/** Around all backends: each sends to the next. */
async function messageRows(
  daemon: BenchDaemon,
  watch: FactWatch,
  { project }: BenchHome,
  times: number,
): Promise<Row[]> {
  const rows: Row[] = [];
  const { items } = await daemon.client.call('agents.list', { project });
  const agentOf = (name: BackendName): string => items.find((row) => row.name === `${name}-0`)?.agent ?? '';
  for (const [i, from] of BACKENDS.entries()) {
    const to = BACKENDS[(i + 1) % BACKENDS.length] ?? from;
    const each = await repeat(times, async () => {
      const isOf = (fact: Fact, state: string): boolean =>
        fact.kind === 'message.changed' &&
        fact.data.row.from === (from === 'fake' ? 'person' : agentOf(from)) &&
        fact.data.row.to === agentOf(to) &&
        moved(fact, 'message.changed', fact.data.row.id, state);
      const [queued, delivered, seen] = (['queued', 'delivered', 'seen'] as const).map((state) =>
        watch.next(`a message of ${from} ${state}`, (fact) => isOf(fact, state)),
      ) as [Promise<Arrival>, Promise<Arrival>, Promise<Arrival>];
      const input = { to: agentOf(to), text: say(to) };
      const words = toolCall(from, input);
      await daemon.client.call('messages.send', words === null ? input : { to: agentOf(from), text: words });
      const began = (await queued).fact.at;
      return { delivered: (await delivered).fact.at - began, seen: (await seen).fact.at - began };
    });
    rows.push(
      sampled(
        `message from ${from === 'fake' ? 'a person' : from} to ${to}: accepted to delivered`,
        'ms',
        each.map((one) => one.delivered),
        1_000,
      ),
      sampled(
        '… accepted to seen',
        'ms',
        each.map((one) => one.seen),
      ),
    );
  }
  return rows;
}
