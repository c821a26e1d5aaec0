import { z } from 'zod';
import { FleetNode } from './node.ts';
import type { Operation } from './operation.ts';

export const NODE_OPERATIONS = {
  'nodes.list': {
    method: 'GET',
    path: '/api/v1/nodes',
    scope: 'read',
    summary: 'Machines that offer themselves as hosts, and those that the configuration names',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(FleetNode) }),
  },
} as const satisfies Record<string, Operation>;
