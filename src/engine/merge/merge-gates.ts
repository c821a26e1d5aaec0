import { join } from 'node:path';
import { AppError } from '../../contract/errors.ts';
import type { MergeId } from '../../contract/ids.ts';
import type { GateResult } from '../../contract/merge.ts';
import type { Project } from '../../contract/project.ts';
import { withCheckout } from '../../git/checkout.ts';
import type { Git } from '../../git/git.ts';
import { copyIncluded } from '../../git/included.ts';
import type { Host } from '../../hosts/host.ts';
import type { Parts } from '../parts.ts';
import type { Settings } from '../settings.ts';

const MAX_OUTPUT_BYTES = 64 * 1024;
const KEPT_OUTPUT = 8_000;
const SETUP = 'setup';

/** What gates run on. */
export type Candidate = {
  readonly project: Project;
  readonly commit: string;
  /** In the names of the checkout and of what runs there: a later daemon knows them again. */
  readonly mergeId: MergeId;
  readonly signal: AbortSignal;
};

export const gateDirectory = (parts: Parts, project: Project, id: MergeId): string =>
  join(parts.workspaces, project.name, id);

/**
 * Runs the gates one after the other in a clean checkout of the commit, made ready as a workspace is. They are the user's
 * own configuration, not an agent's wish: the policy is not asked.
 * @returns the first that failed, or null
 * @throws AppError `cancelled`, `git_failed`
 */
export async function failingGate(
  parts: Parts,
  git: Git,
  settings: Settings,
  candidate: Candidate,
): Promise<GateResult | null> {
  const { gates } = settings.merge;
  if (gates.length === 0) return null;
  const { project, mergeId, commit } = candidate;
  const path = gateDirectory(parts, project, mergeId);
  return await withCheckout(git, { repoRoot: project.path, path, commit }, async (directory) => {
    await copyIncluded(git, project.path, directory);
    const { setup } = settings;
    const first = setup ? [{ name: SETUP, command: setup.command, timeout: setup.timeout }] : [];
    for (const { name, command, timeout } of [...first, ...gates]) {
      const limitMs = timeout ?? settings.limits.commandTimeout;
      const host = await parts.hostFor(settings.isolation);
      const failed = await runGate(parts, host, candidate, directory, { name, command, limitMs });
      if (failed) return failed;
    }
    return null;
  });
}

async function runGate(
  parts: Parts,
  host: Host,
  { mergeId, signal }: Candidate,
  directory: string,
  gate: { readonly name: string; readonly command: string; readonly limitMs: number },
): Promise<GateResult | null> {
  const result = await host.run({
    command: ['/bin/sh', '-c', gate.command],
    cwd: directory,
    env: parts.environment,
    marker: `${mergeId}.gate`,
    limitMs: gate.limitMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  if (signal.aborted) throw new AppError('cancelled', 'the gates were stopped');
  if (result.code === 0) return null;
  const stopped = result.isTimedOut ? `\n(stopped after ${Math.round(gate.limitMs / 1000)} s)` : '';
  const output = `${result.stdout}${result.stderr}${stopped}`.slice(-KEPT_OUTPUT);
  return { name: gate.name, command: gate.command, exitCode: result.code, output };
}
