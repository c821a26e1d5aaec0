import { z } from 'zod';
import type { Operation } from './operation.ts';
import { ProjectionStatus } from './webhook.ts';

export const PROJECTION_OPERATIONS = {
  'projections.list': {
    method: 'GET',
    path: '/api/v1/projections',
    scope: 'read',
    summary: 'What tells something outside (webhooks): how far it is, what waits, the last error',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(ProjectionStatus) }),
  },
  'projections.test': {
    method: 'POST',
    path: '/api/v1/projections/:name/test',
    scope: 'operate',
    summary: 'Deliver a test to a webhook now',
    status: 200,
    input: z.object({ name: z.string() }),
    output: z.object({ name: z.string(), isDelivered: z.boolean(), error: z.string().nullable() }),
  },
  'projections.rebuild': {
    method: 'POST',
    path: '/api/v1/projections/:name/rebuild',
    scope: 'operate',
    summary: 'Tell again everything after a position of the journal; receivers know what they have by its id',
    status: 202,
    input: z.object({ name: z.string(), since: z.number().int().nonnegative().default(0) }),
    output: ProjectionStatus,
  },
} as const satisfies Record<string, Operation>;
