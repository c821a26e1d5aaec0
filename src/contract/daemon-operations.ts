import { z } from 'zod';
import { BackendId } from './ids.ts';
import type { Operation } from './operation.ts';
import { BackendStatus, ConfigValue, DaemonStatus, DoctorCheck } from './shapes.ts';

export const DAEMON_OPERATIONS = {
  status: {
    method: 'GET',
    path: '/api/v1/status',
    scope: 'read',
    summary: 'The daemon: version, address, counts',
    status: 200,
    input: z.object({}),
    output: DaemonStatus,
  },
  shutdown: {
    method: 'POST',
    path: '/api/v1/shutdown',
    scope: 'admin',
    summary: 'Stop the daemon; running work is kept and goes on at the next start',
    status: 202,
    input: z.object({ cause: z.string().max(200).default('asked') }),
    output: z.object({ isStopping: z.literal(true) }),
  },
  'backends.list': {
    method: 'GET',
    path: '/api/v1/backends',
    scope: 'read',
    summary: 'Backends: installed, version, capabilities, problem',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(BackendStatus) }),
  },
  'config.explain': {
    method: 'GET',
    path: '/api/v1/config',
    scope: 'read',
    summary: 'Every setting, its value and the layer that won',
    status: 200,
    input: z.object({ key: z.string().optional(), project: z.string().optional() }),
    output: z.object({ items: z.array(ConfigValue) }),
  },
  doctor: {
    method: 'POST',
    path: '/api/v1/doctor',
    scope: 'operate',
    summary: 'Check every backend by starting it, the planner, git and the store',
    status: 200,
    input: z.object({
      project: z.string().optional(),
      isQuick: z.boolean().default(false),
      /** Only this backend: each capability that its driver declares is tried with the model that is configured. */
      conformance: BackendId.optional(),
    }),
    output: z.object({ isOk: z.boolean(), checks: z.array(DoctorCheck) }),
  },
} as const satisfies Record<string, Operation>;
