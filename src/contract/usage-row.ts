import { z } from 'zod';
import { Usage } from './usage.ts';

/** What the sessions that began on one day used, of one project, role, backend and model. */
export const UsageRow = Usage.omit({ costUsd: true }).extend({
  /** UTC: `2026-11-29`. */
  day: z.string(),
  /** Null: a directory that is no project. */
  project: z.string().nullable(),
  /** `planner` and `exec` for what is no task's; `outside` for a session of an outside program. */
  role: z.string(),
  /** `direct`: the planner's model, called by Gantry itself. Of an outside program's session its `source_app`. */
  backend: z.string(),
  /** Null is unknown. */
  model: z.string().nullable(),
  sessions: z.number().int(),
  /** Sessions of these that used tokens at a price that is not known. */
  unpriced: z.number().int(),
  /** USD, of the others. */
  pricedUsd: z.number(),
});
export type UsageRow = z.infer<typeof UsageRow>;
