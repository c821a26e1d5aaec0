import { z } from 'zod';
import type { Operation } from './operation.ts';
import { Project } from './project.ts';

export const PROJECT_OPERATIONS = {
  'projects.list': {
    method: 'GET',
    path: '/api/v1/projects',
    scope: 'read',
    summary: 'Registered projects',
    status: 200,
    input: z.object({}),
    output: z.object({ items: z.array(Project) }),
  },
  'projects.add': {
    method: 'POST',
    path: '/api/v1/projects',
    scope: 'operate',
    summary: 'Register a git repository; the same path again changes its name or trust',
    status: 200,
    input: z.object({
      path: z.string().min(1),
      name: Project.shape.name.optional(),
      isTrusted: z.boolean().optional(),
    }),
    output: Project,
  },
  'projects.remove': {
    method: 'DELETE',
    path: '/api/v1/projects/:project',
    scope: 'operate',
    summary: 'Forget a project; nothing on disk is touched',
    status: 200,
    input: z.object({ project: z.string() }),
    output: Project,
  },
} as const satisfies Record<string, Operation>;
