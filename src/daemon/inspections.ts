import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { DaemonControl } from '../api/create-handlers.ts';
import type { Engine } from '../engine/engine.ts';
import { explainCredentials } from './credentials.ts';
import { type DoctorParts, runDoctor } from './doctor.ts';
import { runConformance } from './doctor-conformance.ts';

/** What people ask about the daemon's set-up. */
export function inspections(parts: DoctorParts): Pick<DaemonControl, 'explainConfig' | 'doctor'> {
  const { engine, configuration, environment } = parts;
  return {
    explainConfig: ({ key, project }) => {
      const path = directoryOf(engine, project);
      const { planner } = configuration.settingsFor(path);
      if (key === 'credentials') return { items: explainCredentials(planner, environment, path) };
      return { items: configuration.explain(key, path) };
    },
    doctor: ({ project, isQuick, conformance }) =>
      conformance === undefined
        ? runDoctor({ projectPath: directoryOf(engine, project), isQuick }, parts)
        : runConformance(conformance, parts),
  };
}

/** A project by its name, its id or a path, which need not be registered. */
const directoryOf = (engine: Engine, project: string | undefined): string | null => {
  if (project === undefined) return null;
  return isAbsolute(project) && existsSync(project) ? realpathSync(project) : engine.queries.project(project).path;
};
