import { CAPABILITIES, type Capability } from '../backends/backend.ts';
import { type Observation, observeCapabilities } from '../backends/observe.ts';
import type { OutputOf } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { DoctorCheck } from '../contract/shapes.ts';
import { noteMissing } from '../engine/scheduling/capabilities.ts';
import { type DoctorParts, inScratch } from './doctor.ts';
import { notice, ok, problem } from './doctor-checks.ts';

const REPAIR =
  'it is not used until this is seen again: install the version that Gantry was tested with, then repeat the check';

/**
 * Holds what a driver declares against what its program does on this machine. What is missing is kept: from then on nothing
 * relies on it, until another version is there or the check sees it.
 * @throws AppError `backend_unknown`
 */
export async function runConformance(id: BackendId, parts: DoctorParts): Promise<OutputOf<'doctor'>> {
  const backend = parts.backends.get(id);
  const status = (await parts.engine.queries.backends()).find((one) => one.id === id);
  if (!backend || !status) {
    const accepted = [...parts.backends.keys()];
    throw new AppError('backend_unknown', `no backend ${id}; accepted: ${accepted.join(', ')}`, {
      details: { accepted },
    });
  }
  const name = `backend ${id}`;
  if (status.problem !== null) {
    const repair = `install it, or set backends.${id}.command`;
    return { isOk: false, checks: [problem(name, status.problem, repair)] };
  }
  const seen = await inScratch((directory) => observeCapabilities(backend, directory));
  const capabilities = seen.filter(({ isSeen }) => isSeen === false).map(({ capability }) => capability);
  parts.store.commit((tx) => noteMissing(tx, id, { version: status.version, capabilities }));
  const version = ok(name, `${status.version ?? 'version unknown'} at ${status.executable ?? 'unknown'}`);
  const checks = CAPABILITIES.map((capability) =>
    checkOf(
      capability,
      backend.capabilities[capability],
      seen.find((one) => one.capability === capability),
    ),
  );
  return { isOk: capabilities.length === 0, checks: [version, ...checks] };
}

function checkOf(capability: Capability, isDeclared: boolean, seen: Observation | undefined): DoctorCheck {
  if (!isDeclared) return ok(capability, 'not declared, not used');
  if (!seen) return notice(capability, 'declared; this check cannot see it', null);
  const { isSeen, detail } = seen;
  if (isSeen === null) return notice(capability, `declared, not observed: ${detail}`, null);
  return isSeen
    ? ok(capability, `declared, observed: ${detail}`)
    : problem(capability, `declared, but observed otherwise: ${detail}`, REPAIR);
}
