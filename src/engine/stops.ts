import { z } from 'zod';
import { EmergencyStop } from '../contract/agent-operations.ts';
import { AppError } from '../contract/errors.ts';
import type { AgentAddress, ProjectId } from '../contract/ids.ts';
import type { Reader, Transaction } from '../store/store.ts';

const KEY = 'estop';
const Stops = z.array(EmergencyStop);

/** The emergency stops that hold. */
export const emergencyStops = (read: Pick<Reader, 'meta'>): readonly EmergencyStop[] =>
  Stops.parse(JSON.parse(read.meta.get(KEY) ?? '[]'));

/** The stop that holds for a project, or for an agent of it. */
export function stopFor(
  read: Pick<Reader, 'meta'>,
  projectId: ProjectId | null,
  agent: AgentAddress | null = null,
): EmergencyStop | null {
  const found = emergencyStops(read).find((s) => s.project === null || s.project === projectId);
  return found && !(agent !== null && found.keep.includes(agent)) ? found : null;
}

/** In words, with what undoes it. */
export const stopText = (stop: EmergencyStop): string =>
  `emergency stop by ${stop.by}: ${stop.reason}. Then: gantry thaw${stop.project === null ? '' : ` --project ${stop.project}`}`;

/** @throws AppError `conflict` if nothing may start there */
export function refuseStopped(read: Pick<Reader, 'meta'>, projectId: ProjectId | null): void {
  const stop = stopFor(read, projectId);
  if (stop) throw new AppError('conflict', stopText(stop));
}

export const writeStops = (tx: Transaction, stops: readonly EmergencyStop[]): void =>
  tx.meta.set(KEY, JSON.stringify(stops));
