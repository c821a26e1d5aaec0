import { existsSync } from 'node:fs';
import type { Backend, OpenSpec, Probe } from '../backends/backend.ts';
import { deferred } from '../base/wait.ts';
import { AppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { NodeName } from '../contract/node.ts';
import type { Git } from '../git/git.ts';
import type { Fleet } from './fleet.ts';
import type { KnownNode } from './known-node.ts';
import { NOT_REMOTE } from './protocol.ts';
import { RemoteSession } from './remote-session.ts';
import { rewrite } from './rewrite.ts';
import { type Twin, Twins } from './twin.ts';
import type { Output } from './wire.ts';

/** For a node that comes back, as after a restart of the daemon. */
const NODE_WAIT_MS = 10_000;

export type RemoteSpec = {
  /** The driver of the same program on this machine: it is never started, but knows what the program can do. */
  readonly like: Backend;
  readonly node: NodeName;
  /** The backend's name on the node. */
  readonly program: BackendId;
  readonly fleet: Fleet;
  readonly git: Git;
  /** The directory below which Gantry has its workspaces. */
  readonly workspaces: string;
  /** An agent's token as one that ends with the token of that id. */
  readonly lend: (token: string, under: string) => string;
};

/** A backend whose agents run on a node, in twins of the workspaces. */
export function remoteBackend({ like, node, program, fleet, git, workspaces, lend }: RemoteSpec): Backend {
  const sessions = new Set<RemoteSession>();
  const twins = new Twins(git, node, workspaces);
  const missing = Object.fromEntries(NOT_REMOTE.map((name) => [name, false]));
  return {
    id: like.id,
    place: { node, away: () => fleet.awayOf(node) },
    capabilities: { ...like.capabilities, ...missing },
    probe: async (signal): Promise<Probe> => {
      const found = fleet.find(node);
      if (found !== null) return (await found.peer.call('probe', { backend: program }, { signal })).output;
      return { isInstalled: false, version: null, executable: null, problem: fleet.awayText(node), notices: [] };
    },
    promptIds: like.promptIds,
    open: async (spec) => {
      const session = await open(spec);
      sessions.add(session);
      return session;
    },
    sweep: () => Promise.resolve([]),
    close: async (graceMs) => {
      await Promise.all([...sessions].map((session) => session.close(graceMs)));
    },
  };

  async function open(spec: OpenSpec): Promise<RemoteSession> {
    if (spec.isolated)
      throw new AppError(
        'isolation_missing',
        `node ${node} runs agents as plain processes: leave isolation at "process"`,
      );
    if (!existsSync(spec.directory)) throw new AppError('backend_failed', `there is no directory ${spec.directory}`);
    const found = await fleet.wait(node, Math.min(spec.limitMs, NODE_WAIT_MS), spec.signal);
    if (spec.signal.aborted) throw new AppError('cancelled', 'the start was cancelled');
    if (found === null) throw new AppError('backend_failed', fleet.awayText(node));
    const { twin, release } = twins.take(spec.directory);
    try {
      return await openOn(found, twin, release, spec);
    } catch (error) {
      release();
      throw error;
    }
  }

  async function openOn(
    found: KnownNode,
    twin: Twin,
    release: () => void,
    { project, sessionId, attemptId, title, profile, model, env, mcp, instructions, from, limitMs, signal }: OpenSpec,
  ): Promise<RemoteSession> {
    const { peer } = found;
    const problem = await twin.meet(peer);
    const own = { sessionId, attemptId, title, profile, model, env, mcp, instructions, from, limitMs };
    const { GANTRY_TOKEN: token } = env;
    const names =
      token === undefined ? twin.there : [...twin.there, [token, lend(token, found.right.tokenId)] as const];
    const given = rewrite({ ...own, project: { id: project.id, isTrusted: project.isTrusted } }, names);
    const opened = deferred<RemoteSession>();
    const onOutput = (output: Output<'open'>): void => {
      const session: RemoteSession = new RemoteSession(output, {
        ...{ peer, node, twin },
        isConnected: () => found.isConnected,
        onEnd: () => {
          found.forget(output.session);
          sessions.delete(session);
          release();
        },
      });
      found.listen(output.session, session);
      opened.resolve(session);
    };
    await peer.call('open', { key: twin.key, backend: program, spec: given }, { signal, onOutput });
    const session = await opened.promise;
    if (problem !== null) session.notice(`work of an earlier session on ${node}: ${problem}`);
    return session;
  }
}
