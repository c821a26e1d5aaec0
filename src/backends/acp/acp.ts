import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { InitializeResponse } from '@agentclientprotocol/sdk/unstable';
import { z } from 'zod';
import { AppError } from '../../contract/errors.ts';
import type { Backend, BackendContext, Capabilities, OpenSpec, Probe } from '../backend.ts';
import { contextFor } from '../isolated.ts';
import { privateHome } from '../private-home.ts';
import { type ProgramStart, Programs } from '../programs.ts';
import { capabilitiesOf, UNSEEN } from './capabilities.ts';
import { Notes } from './notes.ts';
import type { AcpSession } from './session.ts';
import { AcpConfig } from './settings.ts';
import { MAX_LINE_BYTES } from './wire.ts';

/** The library of the protocol, with its schemas, is loaded where an ACP agent is used: it is megabytes of memory. */
const driver = async () => ({ ...(await import('./connection.ts')), ...(await import('./open.ts')) });

/** Slow agents take half of it to start. */
const PROBE_LIMIT_MS = 60_000;

/**
 * The backend of any agent that speaks ACP 1 on its stdio: one program per session. What it can do is what the agent
 * advertises; until a program has been started once, what most have is assumed.
 * @throws AppError `bad_config`
 */
export function createAcpBackend(context: BackendContext): Backend {
  checkSettings(context);
  let seen: InitializeResponse | null = null;
  let hasCost = false;
  const capabilities = (): Capabilities => (seen ? capabilitiesOf(seen, hasCost) : UNSEEN);
  const onInitialized = (response: InitializeResponse): void => {
    seen = response;
  };
  const programs: Programs<AcpSession> = new Programs(context, {
    name: 'ACP agent',
    capabilities,
    start: (spec) => startOf(contextFor(spec, context), spec),
    greet: async (spec, program) => {
      const { openSession } = await driver();
      return await openSession(spec, program, context, onInitialized, () => {
        hasCost = true;
      });
    },
  });
  const ask = async (signal: AbortSignal): Promise<InitializeResponse> => {
    if (seen) return seen;
    const { Connection, initialized } = await driver();
    return await programs.ask(
      await startOf(context, null),
      { limitMs: PROBE_LIMIT_MS, signal },
      ({ process, ready }) => {
        const connection = new Connection(process, {
          update: () => undefined,
          permission: () => Promise.resolve({ outcome: 'cancelled' }),
          notice: (text) => context.log.warn({ backend: context.id }, text),
        });
        return ready(initialized(connection, onInitialized), connection.ended);
      },
    );
  };
  return {
    id: context.id,
    get capabilities() {
      return capabilities();
    },
    probe: (signal) => probe(context, () => ask(signal)),
    promptIds: () => ({}),
    open: oneBeforeMany((spec: OpenSpec) => programs.open(spec)),
    sweep: async () => {
      await new Notes(context.home).trim();
      return await programs.sweep();
    },
    close: (graceMs) => programs.close(graceMs),
  };
}

/**
 * Until one call has come through, each waits for the one before it: some agents make their files at their first start, and
 * two at once get in each other's way (`opencode acp` 1.18.33 in a new home ends with "Unexpected error").
 */
function oneBeforeMany<A, R>(call: (argument: A) => Promise<R>): (argument: A) => Promise<R> {
  let isProven = false;
  let last: Promise<unknown> = Promise.resolve();
  return (argument) => {
    if (isProven) return call(argument);
    const turn = last.then(() => call(argument));
    last = turn.then(
      () => {
        isProven = true;
      },
      // Its caller is told; the next one tries by itself.
      () => undefined,
    );
    return turn;
  };
}

/** An agent has no other way to tell its version than to be started; it is asked once. */
async function probe(context: BackendContext, ask: () => Promise<InitializeResponse>): Promise<Probe> {
  const executable = commandOf(context).join(' ');
  const nothing = { isInstalled: false, version: null, executable: null, notices: [] };
  try {
    const { agentInfo } = await ask();
    const version = agentInfo?.version ?? null;
    const notices = version === null ? ['the agent does not tell its version'] : [];
    return { isInstalled: true, version, executable, problem: null, notices };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'cancelled') throw error;
    if (error.code === 'backend_missing') return { ...nothing, problem: error.message };
    return { ...nothing, isInstalled: true, executable, problem: error.message };
  }
}

async function startOf(context: BackendContext, spec: OpenSpec | null): Promise<ProgramStart> {
  const { settings, environment, home } = context;
  const own = settings.profile === 'private' ? privateHome(join(home, 'private')) : {};
  await Promise.all(Object.values(own).map((path) => mkdir(path, { recursive: true, mode: 0o700 })));
  return {
    command: commandOf(context),
    cwd: spec?.directory ?? home,
    env: { ...environment, ...own, ...settings.env, ...spec?.env },
    maxLineBytes: MAX_LINE_BYTES,
  };
}

function commandOf({ settings }: BackendContext): readonly [string, ...string[]] {
  const [program = '', ...args] = settings.acp ?? [];
  return [program, ...args];
}

function checkSettings({ id, settings }: BackendContext): void {
  const refuse = (why: string): AppError => new AppError('bad_config', `backends.${id}: ${why}`);
  if (!settings.acp) throw refuse('an ACP agent needs "acp": the program and its arguments');
  const other = (['command', 'url'] as const).find((name) => settings[name] !== undefined);
  if (other) throw refuse(`"acp" takes the place of "${other}"`);
  const config = AcpConfig.safeParse(settings.config ?? {});
  if (!config.success) throw refuse(`config: ${z.prettifyError(config.error)}`);
}
