import type { DoctorCheck } from '../contract/shapes.ts';

export const ok = (name: string, detail: string): DoctorCheck => ({ name, status: 'ok', detail, repair: null });

/** The main job does not work with it. */
export const problem = (name: string, detail: string, repair: string): DoctorCheck => ({
  name,
  status: 'problem',
  detail,
  repair,
});

/** Worth knowing. */
export const notice = (name: string, detail: string, repair: string | null): DoctorCheck => ({
  name,
  status: 'notice',
  detail,
  repair,
});
