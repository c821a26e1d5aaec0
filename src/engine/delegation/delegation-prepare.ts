import { isAbsolute, join } from 'node:path';
import type { ParsedInputOf } from '../../contract/api.ts';
import type { Caller } from '../../contract/caller.ts';
import { AppError } from '../../contract/errors.ts';
import type { Plan, Request } from '../../contract/request.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import { emptyRepository } from '../../git/empty.ts';
import type { Git } from '../../git/git.ts';
import type { Parts } from '../parts.ts';
import { DEFAULT_CRITERION, titleOf } from '../planning/plan-fallback.ts';
import type { Probes } from '../scheduling/probes.ts';
import { prepareRequest } from '../submit.ts';

/** The project of tasks that name none: each gets an empty workspace of its own. */
const OWN_PROJECT = 'delegated';

/** The request that carries a delegation out. Nothing is stored. @throws AppError `forbidden`, and what a submission throws */
export async function prepareDelegation(
  parts: Parts,
  { git, probes }: { readonly git: Git; readonly probes: Probes },
  input: ParsedInputOf<'delegations.submit'>,
  caller: Caller,
): Promise<Request> {
  const { description, backend, model, role, isolation } = input;
  if (caller.callers && input.project !== undefined && isAbsolute(input.project)) {
    throw new AppError('forbidden', 'the token may name a registered project only, not a path');
  }
  const given = { backend, model, role, isolation };
  const options = {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    timeoutMs: input.timeoutMs ?? parts.settingsFor(null).delegation.timeout,
    isSingleTask: true,
  };
  const project = input.project ?? (await ownProject(parts, git));
  const row = await prepareRequest(
    parts,
    git,
    probes,
    { text: description, project, isDirtyAllowed: true, options },
    caller,
  );
  const { callerId, observers, notify, isSync, priority } = input;
  const queueUntil = row.createdAt + input.queueTimeoutMs;
  const delegation = { callerId, observers, notify, isSync, queueUntil, priority };
  return { ...row, state: 'running', plan: planOf(description), delegation };
}

async function ownProject(parts: Parts, git: Git): Promise<string> {
  const path = join(parts.workspaces, '..', OWN_PROJECT);
  await emptyRepository(git, path);
  return path;
}

/** One task, byte for byte what was asked for. It is done when the agent's turn ends without an error. */
const planOf = (description: string): Plan => ({
  source: 'caller',
  fallbackReason: null,
  fallbackDetail: null,
  notices: ['one task, as delegated: no planner was called'],
  tasks: [
    {
      id: 'T1',
      title: titleOf(description),
      description,
      files: [],
      successCriteria: [DEFAULT_CRITERION],
      budget: 'medium',
      dependsOn: [],
      role: null,
      source: 'caller',
    },
  ],
  reply: null,
  usage: NO_USAGE,
});
