import {
  type Backend,
  type BackendEvent,
  type BackendSession,
  PROFILE_TOOLS,
  type ProfileTool,
} from '../backends/backend.ts';
import { newId } from '../base/ids.ts';
import { settled, within } from '../base/wait.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import type { DoctorCheck } from '../contract/shapes.ts';
import { notice, ok, problem } from './doctor-checks.ts';

/** Of start and conversation together: all that doctor does is to end within 30 s. */
const LIMIT_MS = 25_000;
const GRACE_MS = 5_000;
const LOOK = 'look at the daemon’s log (`gantry logs`), and try the program by hand';
const COMMAND = 'echo gantry-doctor';
/** The last two lines script the fake agent and the scripted model; a real model reads the first. */
const PROMPT = `Run exactly this shell command with your shell tool, then answer with the word done: ${COMMAND}

(Lines that begin with @@ are for scripted test models: pass over them.)
@@fake [{"run":{"command":"${COMMAND}"}},{"text":"done"}]
@@model [{"tools":[{"name":"bash","input":{"command":"${COMMAND}","description":"check"}}]},{"text":"done"}]`;

type Seen = { asked: boolean; turn: Extract<BackendEvent, { type: 'turn-ended' }> | null; end: string | null };

/** Opens a session, lets it answer, and provokes a permission question, which is allowed once. */
export async function tryBackend(backend: Backend, directory: string): Promise<DoctorCheck[]> {
  const name = `backend ${backend.id} in use`;
  const limit = AbortSignal.timeout(LIMIT_MS);
  const began = performance.now();
  try {
    const session = await open(backend, directory, limit);
    try {
      const left = Math.max(0, LIMIT_MS - (performance.now() - began));
      return report(name, await within(converse(backend, session), left, late));
    } finally {
      await forget(session);
      await session.close(GRACE_MS);
    }
  } catch (error) {
    return [problem(name, limit.aborted ? late().message : toAppError(error).message, LOOK)];
  }
}

/** One that cannot be removed, or not soon enough, is one more of the program's conversations. */
async function forget(session: BackendSession): Promise<void> {
  await settled(session.forget?.().catch(() => undefined) ?? Promise.resolve(), GRACE_MS);
}

const late = (): AppError => new AppError('timeout', `no answer within ${LIMIT_MS / 1000} s`);

function open(backend: Backend, directory: string, signal: AbortSignal): Promise<BackendSession> {
  const ask = Object.fromEntries(PROFILE_TOOLS.map((tool) => [tool, 'ask'])) as Record<ProfileTool, 'ask'>;
  return backend.open({
    sessionId: newId('sess', Date.now()),
    attemptId: null,
    title: 'gantry doctor',
    directory,
    project: { id: 'doctor', path: directory, isTrusted: false },
    profile: { id: 'doctor', tools: ask },
    model: null,
    env: {},
    mcp: {},
    instructions: null,
    from: { type: 'new' },
    limitMs: LIMIT_MS,
    signal,
  });
}

async function converse(backend: Backend, session: BackendSession): Promise<Seen> {
  const seen: Seen = { asked: false, turn: null, end: null };
  const prompt = { id: newId('prm', Date.now()), text: PROMPT, native: backend.promptIds() };
  const receipt = await session.prompt(prompt, 'next-turn');
  if (receipt.type === 'refused') return { ...seen, end: receipt.failure.message };
  for await (const event of session.events) {
    if (event.type === 'asked') {
      seen.asked = true;
      await session.answer(event.nativeId, { type: 'allow', scope: 'once', expiresAt: null });
    }
    if (event.type === 'turn-ended') return { ...seen, turn: event };
    if (event.type === 'ended')
      return { ...seen, end: event.reason.type === 'died' ? event.reason.failure.message : 'closed' };
  }
  return seen;
}

function report(name: string, { asked, turn, end }: Seen): DoctorCheck[] {
  if (!turn) return [problem(name, `it ended: ${end ?? 'without a word'}`, LOOK)];
  if (turn.outcome !== 'done') {
    const detail = turn.failure ? `${turn.failure.class}: ${turn.failure.message}` : turn.outcome;
    const isLogin = turn.failure?.class === 'auth';
    return [problem(name, detail, isLogin ? 'log the program in, or choose a model that it may use' : LOOK)];
  }
  const permission = `${name}: permission`;
  return [
    ok(name, 'it answered'),
    asked
      ? ok(permission, 'it asked before it ran a command')
      : notice(permission, 'the model ran no command, so no question was seen', null),
  ];
}
