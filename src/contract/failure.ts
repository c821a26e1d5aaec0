import { z } from 'zod';

/** Classes of what goes wrong with work: the engine decides on the class, people read the text. */
export const FailureClass = z.enum([
  'auth',
  'quota',
  'rate',
  'network',
  'context-full',
  'model',
  'tool',
  'protocol',
  'crash',
  'start',
  'timeout',
  'budget',
  'verification',
  'conflict',
  'denied',
  'dependency',
  'internal',
]);
export type FailureClass = z.infer<typeof FailureClass>;

/** Why something failed: never without words. `resetAt` (ms) says when a quota or rate limit ends, if known. */
export const Failure = z.object({
  class: FailureClass,
  message: z.string().min(1),
  resetAt: z.number().nullable(),
  /** Of the program whose end it was: the agent's own, or the check that was not met. Absent if there is none. */
  exitCode: z.number().int().optional(),
});
export type Failure = z.infer<typeof Failure>;
