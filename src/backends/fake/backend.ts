import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import { type Backend, type BackendContext, CAPABILITIES, type Capabilities, type Probe } from '../backend.ts';
import { LentTerminals } from '../lent-terminal.ts';
import { commandOf, versionProblem } from './command.ts';
import { fakePrograms } from './programs.ts';
import { AGENT_VERSION } from './wire.ts';

const CAPABLE: Capabilities = {
  resume: true,
  fork: true,
  steer: true,
  interrupt: true,
  questions: true,
  children: true,
  mcp: false,
  reasoning: true,
  cost: true,
  transcript: true,
  survivesRestart: false,
  attach: true,
};

/** `backends.fake.config`: capabilities to do without (`false`), and how often the agent says that it lives. */
const settingsSchema = z.strictObject({
  ...Object.fromEntries(CAPABILITIES.filter((name) => CAPABLE[name]).map((name) => [name, z.boolean().optional()])),
  heartbeatMs: z.number().positive().default(5_000),
});

const PROBE_LIMIT_MS = 20_000;

/**
 * The backend of the scripted fake agent: one program per session, newline-delimited JSON on its stdio (`agent/main.ts`).
 * @throws AppError `bad_config`
 */
export function createFakeBackend(context: BackendContext): Backend {
  const { config = {} } = context.settings;
  const settings = settingsSchema.safeParse(config);
  if (!settings.success) {
    throw new AppError('bad_config', `backends.${context.id}.config: ${z.prettifyError(settings.error)}`);
  }
  const off = CAPABILITIES.filter((name) => config[name] === false);
  const capabilities = { ...CAPABLE, ...Object.fromEntries(off.map((name) => [name, false])) };
  const terminals = new LentTerminals(context);
  const programs = fakePrograms(context, capabilities, settings.data.heartbeatMs, terminals);
  return {
    id: context.id,
    capabilities,
    probe: (signal) => probe(context, signal),
    promptIds: () => ({}),
    open: (spec) => programs.open(spec),
    sweep: () => programs.sweep(),
    lent: (nativeId) => terminals.find(nativeId),
    close: (graceMs) => {
      terminals.close();
      return programs.close(graceMs);
    },
  };
}

async function probe(context: BackendContext, signal: AbortSignal): Promise<Probe> {
  const command = commandOf(context);
  const executable = command.join(' ');
  const nothing = { isInstalled: false, version: null, executable: null, notices: [] };
  try {
    const result = await context.host.run({
      command: [...command, '--version'],
      cwd: context.home,
      env: { ...context.environment, ...context.settings.env },
      marker: null,
      limitMs: PROBE_LIMIT_MS,
      signal,
    });
    if (result.isAborted) throw new AppError('cancelled', 'the probe was cancelled');
    const version = /^gantry-fake-agent (\S+)/.exec(result.stdout)?.[1] ?? null;
    const problem =
      version === null
        ? `${executable} --version did not tell a version: ${result.stderr.trim()}`
        : versionProblem(version);
    const notices =
      version !== null && problem === null && version !== AGENT_VERSION ? [`version ${version} is not tested`] : [];
    return { isInstalled: version !== null, version, executable, problem, notices };
  } catch (error) {
    if (error instanceof AppError && error.code === 'spawn_failed') return { ...nothing, problem: error.message };
    throw error;
  }
}
