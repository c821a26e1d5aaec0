import type { Agent, Standing } from '../../contract/agent.ts';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { StartedAgent } from '../../contract/life-operations.ts';
import type { Project } from '../../contract/project.ts';
import { needCommit } from '../../git/refs.ts';
import type { Reader } from '../../store/store.ts';
import type { Parts } from '../parts.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';
import { isTold } from '../sessions/session-row.ts';
import { refuseStopped } from '../stops.ts';
import { needAgent } from './addresses.ts';
import { answer, begin, type ForkSource, type Meant, stand } from './agent-start.ts';
import { refuseLent } from './lent.ts';
import type { LifeTools } from './life-tools.ts';

/** More are not named. */
const MOST_FILES = 10;

/**
 * A new agent that stands by with a copy of another one's conversation, in a worktree of its own on the other's last commit. The
 * other is not disturbed. Answers when the copy is made; if it cannot be, nothing is left of it.
 * @throws AppError `unsupported` where the agent program has no forks; `conflict` for one that has no conversation to copy, or is in
 * a turn; as `startAgent`
 */
export async function forkAgent(
  parts: Parts,
  tools: LifeTools,
  input: ParsedInputOf<'agents.fork'>,
  caller: Caller,
): Promise<StartedAgent> {
  const agent = needAgent(parts.store.read, input.agent);
  const { backend, model } = agent;
  refuseStopped(parts.store.read, agent.projectId);
  refuseLent(agent);
  if (capabilitiesOf(parts, backend)?.fork !== true) throw unsupported(parts, agent);
  const { standing, project } = sourceOf(parts, agent);
  const meant = await newAgent(parts, agent, project, input.name);
  await tools.probes.needUsable(backend);
  const nativeId = nativeIdOf(parts.store.read, agent, standing);
  const source: ForkSource = {
    nativeId,
    baseCommit: await needCommit(tools.git, standing.workspace, 'HEAD'),
    note: `You are a fork of ${agent.id}: what was said before this was said to it, and is its work, not yours. Your directory is ${tools.workspaces.standingPath(project, meant)}; ${standing.workspace} is not yours any more.`,
  };
  await tools.pool.makeRoom({ backend, projectId: project.id, role: agent.role });
  const left = await tools.workspaces.unsaved(standing.workspace);
  await stand(parts, tools, meant, { backend, model }, caller, source);
  const live = await begin(parts, tools, meant, caller, ({ origin }) => {
    if (origin.type === 'new-instead')
      throw new AppError('backend_failed', `${agent.id} cannot be forked: ${origin.reason}`);
  });
  return answer(parts, meant.id, live, leftOut(left, agent));
}

/** @throws AppError `conflict` */
function sourceOf(parts: Parts, { id, state, standing, projectId }: Agent): { standing: Standing; project: Project } {
  if (projectId === null) throw new AppError('conflict', `${id} is the one agent of its role in the whole plane`);
  if (state === 'working') throw new AppError('conflict', `${id} works on a task: what stands by can be forked`);
  if (!standing) throw new AppError('conflict', `${id} has no session now: gantry agent start ${id}`);
  if (standing.prompts.length > 0)
    throw new AppError('conflict', `${id} is in the middle of a turn: fork it when the turn is over`);
  return { standing, project: parts.store.read.projects.need(projectId) };
}

/** @throws AppError `conflict` if nothing was said in it yet */
function nativeIdOf(read: Reader, { id }: Agent, { sessionId }: Standing): string {
  const { nativeId } = read.sessions.need(sessionId);
  if (nativeId !== null && isTold(read, sessionId, nativeId)) return nativeId;
  throw new AppError('conflict', `nothing was said to ${id} yet: there is no conversation to fork`);
}

/** @throws AppError `bad_request` for what is no name; `conflict` for one that is taken, or a role that has one agent */
async function newAgent(parts: Parts, agent: Agent, project: Project, given: string | undefined): Promise<Meant> {
  const settings = parts.settingsFor(project.path);
  const { role } = agent;
  if (settings.roles[role]?.instances)
    throw new AppError('conflict', `the role ${role} has one agent: ${agent.id} cannot be forked into another`);
  const addressOf = (name: string): Agent['id'] => `${project.name}/${role}/${name}`;
  const isTaken = (name: string): boolean => parts.store.read.agents.get(addressOf(name)) !== null;
  if (given !== undefined && !/^(?!\.+$)[\w.-]{1,40}$/.test(given))
    throw new AppError('bad_request', `${given} is no name: letters, digits, ".", "_" and "-", at most 40`);
  if (given !== undefined && isTaken(given)) throw new AppError('conflict', `${addressOf(given)} is there already`);
  const stem = `${agent.name.slice(0, 30)}-fork`;
  let name = given ?? stem;
  for (let n = 2; isTaken(name); n += 1) name = `${stem}-${n}`;
  return { id: addressOf(name), role, name, known: null, project, settings };
}

function leftOut(files: readonly string[], { id }: Agent): string | null {
  if (files.length === 0) return null;
  const more = files.length > MOST_FILES ? ` and ${files.length - MOST_FILES} more` : '';
  return `not committed by ${id}, so not in the fork: ${files.slice(0, MOST_FILES).join(', ')}${more}`;
}

function unsupported(parts: Parts, { id, backend }: Agent): AppError {
  const able = [...parts.backends.keys()].filter((one) => capabilitiesOf(parts, one)?.fork);
  return new AppError(
    'unsupported',
    `${id} is on ${backend}, which cannot fork a conversation; able: ${able.join(', ') || 'none that is configured'}`,
  );
}
