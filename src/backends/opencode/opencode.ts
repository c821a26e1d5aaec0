import { ZodError } from 'zod';
import { AppError, toAppError } from '../../contract/errors.ts';
import type { Backend, BackendContext, Capabilities, OpenSpec } from '../backend.ts';
import { HttpFailure } from './http.ts';
import { endEntry, isHealthy } from './launch.ts';
import { needDirectory, openSession } from './open.ts';
import { planOf } from './plan.ts';
import { probe } from './probe.ts';
import { promptIdsOf } from './prompt-ids.ts';
import { Servers } from './servers.ts';
import type { OpencodeSession } from './session.ts';
import { waitOpen } from './wait-open.ts';

const CAPABILITIES: Capabilities = {
  resume: true,
  fork: true,
  steer: true,
  interrupt: true,
  questions: true,
  children: true,
  mcp: true,
  reasoning: true,
  cost: true,
  transcript: true,
  survivesRestart: true,
  attach: true,
};

/**
 * The backend of OpenCode 1.x (tested with opencode-ai 1.18.33): a server of Gantry's own per project, permission profile
 * and configuration, on loopback with its own password; or, with `settings.url`, one that runs already.
 */
export function createOpencodeBackend(context: BackendContext): Backend {
  const servers = new Servers(context);
  /** Native ids that are open or being opened. */
  const taken = new Set<string>();
  const sessions = new Set<OpencodeSession>();
  let isClosed = false;

  const openOn = async (spec: OpenSpec): Promise<OpencodeSession> => {
    const end = context.clock.now() + spec.limitMs;
    await needDirectory(spec.directory);
    const plan = context.settings.url === undefined ? planOf(spec, context) : null;
    const lease = await servers.acquire(plan, spec.sessionId, spec);
    const opening = openSession(spec, context, lease, (ended) => {
      sessions.delete(ended);
      taken.delete(ended.nativeId);
    });
    try {
      const limit = { limitMs: Math.max(0, end - context.clock.now()), signal: spec.signal };
      const session = await waitOpen(opening, limit, 'the OpenCode session');
      sessions.add(session);
      taken.add(session.nativeId);
      return session;
    } catch (error) {
      await lease.release(true);
      // Given up, but it may have come about on a server that others use.
      void opening.then((late) => late.close(0)).catch(() => undefined);
      throw toOpenError(error);
    }
  };
  const open = async (spec: OpenSpec): Promise<OpencodeSession> => {
    if (isClosed) throw new AppError('cancelled', `the backend "${context.id}" is closed`);
    if (spec.from.type !== 'resume') return await openOn(spec);
    const { nativeId } = spec.from;
    if (taken.has(nativeId)) throw new AppError('conflict', `session ${nativeId} is open already`);
    taken.add(nativeId);
    let opened: OpencodeSession | null = null;
    try {
      opened = await openOn(spec);
      return opened;
    } finally {
      // A new session in its place has an id of its own.
      if (opened?.nativeId !== nativeId) taken.delete(nativeId);
    }
  };

  return {
    id: context.id,
    capabilities: CAPABILITIES,
    probe: (signal) => probe(context, signal),
    promptIds: promptIdsOf(context.clock),
    open,
    sweep: async (inUse) => {
      const entries = context.book.list(context.id).filter(({ id }) => !servers.isOurs(id));
      const ended = await Promise.all(
        entries.map(async (entry) => {
          if (isUsed(entry.data.sessions, inUse) && (await isHealthy(entry, context))) return [];
          return [{ what: `the OpenCode server ${entry.id}`, pids: await endEntry(entry, context) }];
        }),
      );
      return ended.flat();
    },
    close: async (graceMs) => {
      isClosed = true;
      await Promise.allSettled([...sessions].map((session) => session.close(graceMs)));
      await servers.close(graceMs, false);
    },
    release: async () => {
      isClosed = true;
      await servers.close(0, true);
    },
  };
}

const toOpenError = (error: unknown): AppError =>
  error instanceof HttpFailure || error instanceof ZodError
    ? new AppError('backend_failed', `OpenCode did not open the session: ${error.message}`, { cause: error })
    : toAppError(error);

const isUsed = (sessions: unknown, inUse: ReadonlySet<string>): boolean =>
  Array.isArray(sessions) && sessions.some((id) => inUse.has(id));
