import { realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { settled } from '../base/wait.ts';
import type { Endpoint } from '../contract/isolation.ts';
import { findProgram } from '../process/child.ts';
import { MARKER_VARIABLE } from '../process/table.ts';
import { isLoopback } from './allow.ts';
import { type Gate, openGate, SOCKET } from './gate.ts';
import type { Host, HostProcess, HostRun, HostStart } from './host.ts';
import { localHost } from './local.ts';
import { type Wall, wallsOf } from './walls.ts';

/** What every host with walls is told by the daemon. */
export type WalledOptions = {
  /** Holds the sockets of the programs that run. */
  readonly gates: string;
  /** Homes of which nothing may be seen. */
  readonly hidden: readonly string[];
  /** Shown to every program, beside its own. */
  readonly readable: () => readonly string[];
  /** Of the programs that make the walls. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What may be reached on the network. */
  readonly reach: () => readonly Endpoint[];
};

/** What a kind of wall makes a command of: the program behind walls, without a network. */
export type Enclosed = {
  readonly walls: readonly Wall[];
  readonly cwd: string;
  /** Begins with the relay, which gives the program its environment. */
  readonly command: readonly string[];
  readonly marker: string | null;
};
export type Enclosure = {
  readonly command: readonly [string, ...string[]];
  /** Of the program that makes the walls. */
  readonly env: Readonly<Record<string, string>>;
};

type Spec = Pick<HostStart, 'command' | 'cwd' | 'env' | 'access'> & { readonly marker: string | null };

const PROXY_PORT = 3128;
const PROXY = Object.fromEntries(
  [
    ['HTTPS_PROXY', `http://127.0.0.1:${PROXY_PORT}`],
    ['NO_PROXY', '127.0.0.1,localhost'],
  ].flatMap(([name = '', value]) => [name, name.toLowerCase()].map((each) => [each, value])),
);
const PROXY_NAMES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [
  name,
  name.toUpperCase(),
]);
const RELAY = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../process/relay.ts' : '../process/relay.js', import.meta.url),
);
/** The relay is one file without its package: Node would say that it had to guess its kind. */
const RELAY_COMMAND = [process.execPath, '--no-warnings', RELAY];

/**
 * Programs of this machine behind walls. They are children of ours, seen and ended like all others; they see what `wallsOf`
 * says, have no network but their own loopback, and reach what is allowed through a gate.
 */
export function walledHost(id: string, options: WalledOptions, enclose: (inner: Enclosed) => Enclosure): Host {
  const withGate = async <S extends Spec, T>(spec: S, start: (spec: S, gate: Gate) => Promise<T>): Promise<T> => {
    const program = await findProgram(spec.command[0], spec);
    const found = { ...spec, command: [program, ...spec.command.slice(1)] as const, access: accessOf(spec, options) };
    const walls = await wallsOf(found, options.hidden.map(realIfAny));
    const gate = await openGate(options.gates, options.reach);
    try {
      const command = await relayed(found, gate, options.reach());
      return await start({ ...spec, ...enclose({ ...found, walls: withRelay(walls, gate), command }) }, gate);
    } catch (error) {
      await gate.close();
      throw error;
    }
  };
  return {
    ...localHost,
    id,
    start: (spec) =>
      withGate(spec, async (enclosed: HostStart, gate) => walledProcess(id, await localHost.start(enclosed), gate)),
    run: (spec) =>
      withGate(spec, async (enclosed: HostRun, gate) => {
        const result = await localHost.run(enclosed);
        await gate.close();
        return result;
      }),
    find: async (prefix) => (await localHost.find(prefix)).map((record) => ({ ...record, hostId: id })),
  };
}

function walledProcess(id: string, process: HostProcess, gate: Gate): HostProcess {
  void process.exited.then(() => gate.close());
  return {
    ...process,
    record: { ...process.record, hostId: id },
    reach: gate.reach,
    // A signal would end the walls first, and with them the program at once.
    stop: async ({ graceMs, isStdinEndedFirst = false }) => {
      if (isStdinEndedFirst) {
        process.endInput();
        await settled(process.exited, graceMs);
      }
      gate.terminate();
      await settled(process.exited, graceMs);
      return await process.stop({ graceMs: 0 });
    },
  };
}

const accessOf = (
  { access }: Spec,
  options: WalledOptions,
): { writable: readonly string[]; readable: readonly string[] } => ({
  writable: access?.writable ?? [],
  readable: [...(access?.readable ?? []), ...options.readable()],
});

const withRelay = (walls: readonly Wall[], gate: Gate): readonly Wall[] => [
  ...walls.filter(({ path }) => path !== process.execPath),
  ...[process.execPath, RELAY, gate.directory].map((path) => ({ path, kind: 'readable' }) as const),
];

/**
 * The command that begins with the relay. The environment goes by a file that only we can read, with variables that lead to
 * the relay's proxy if there is something to reach.
 */
async function relayed(
  { command, env, marker }: Pick<Spec, 'command' | 'env' | 'marker'>,
  gate: Gate,
  reach: readonly Endpoint[],
): Promise<readonly string[]> {
  const ports = [...new Set(reach.filter(isLoopback).map(({ port }) => port))];
  const hasProxy = reach.some((endpoint) => !isLoopback(endpoint));
  const kept = Object.entries(env).filter(([name]) => !PROXY_NAMES.includes(name));
  const marked = marker === null ? {} : { [MARKER_VARIABLE]: marker };
  const whole = { ...Object.fromEntries(kept), ...(hasProxy ? PROXY : {}), ...marked };
  const file = join(gate.directory, 'environment');
  await writeFile(file, JSON.stringify(whole), { mode: 0o600 });
  const proxy = hasProxy ? String(PROXY_PORT) : '-';
  return [...RELAY_COMMAND, join(gate.directory, SOCKET), file, ports.join(','), proxy, ...command];
}

function realIfAny(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
}
