import { z } from 'zod';
import { scriptSchema } from '../../../base/script.ts';
import { Question } from '../../../contract/approval.ts';
import { FailureClass } from '../../../contract/failure.ts';

const ms = z.int().min(0).max(86_400_000);
const name = z.string().regex(/^[\w.-]+$/);
const count = z.int().min(0).default(0);
const usageSchema = z.strictObject({
  inputTokens: count,
  outputTokens: count,
  reasoningTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costUsd: z.number().nonnegative().nullable().default(null),
});
const file = z.strictObject({ path: z.string().min(1), content: z.string() });

/**
 * One step: its keys are played in the order in which they stand here. Every step is one model request; a step that was
 * cut by a crash is played again, but nothing that it had begun to do (a tool, its own end) is done a second time.
 */
export const stepSchema = z.strictObject({
  // How it is played.
  /** Only the first time in this control directory; later the step is passed over. */
  once: name.optional(),
  /** Waits until the file of that name is in the control directory. */
  hold: name.optional(),
  /** Milliseconds without a word; without heartbeats too if `heartbeat` is false. */
  silent: ms.optional(),
  heartbeat: z.boolean().optional(),
  /** Done in a child session, its questions come from there; `nested`: in one that the last child has started. */
  child: z.union([z.literal(true), z.literal('nested')]).optional(),

  // What is said. `text` is the turn's answer (the last one counts), `say` are words on the way.
  reasoning: z.string().optional(),
  say: z.string().optional(),
  /** `{{lastToolOutput}}` in it stands for what the last tool gave. */
  text: z.string().optional(),
  chunks: z.int().min(1).max(10_000).optional(),
  /** The file's content is the answer. */
  report: z.string().optional(),
  claimDone: z.boolean().optional(),

  // What is done. Files are the tool `edit`, commands the tool `bash`.
  write: file.optional(),
  append: file.optional(),
  run: z.strictObject({ command: z.string().min(1), limitMs: ms.optional() }).optional(),
  commit: z.string().min(1).optional(),
  push: z.strictObject({ remote: z.string().default('origin'), branch: z.string().optional() }).optional(),
  tools: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        input: z.record(z.string(), z.unknown()).default({}),
        output: z.string().optional(),
      }),
    )
    .optional(),
  /** Asks for a permission of its own; `withdraw`: takes it back, at once or when that hold is released. */
  ask: z
    .strictObject({
      tool: z.string().min(1),
      patterns: z.array(z.string()).default([]),
      command: z.string().optional(),
      diff: z.string().optional(),
    })
    .optional(),
  question: Question.extend({
    header: z.string().default(''),
    options: Question.shape.options.default([]),
    isMultiple: z.boolean().default(false),
    isFreeText: z.boolean().default(true),
  }).optional(),
  withdraw: z.union([z.literal(true), name]).optional(),
  /** The program's whole environment as a tool's output. */
  env: z.literal(true).optional(),
  /** Starts a process that stays; the tool's output is JSON with its `pid` (and `port`). */
  spawn: z.enum(['ignores-term', 'own-group', 'listens']).optional(),

  // What is told beside it.
  todo: z.array(z.strictObject({ text: z.string(), status: z.string() })).optional(),
  compact: z.literal(true).optional(),
  retry: z.strictObject({ try: z.int().default(1), message: z.string(), inMs: ms.optional() }).optional(),
  /** Added to the turn's sum. */
  usage: usageSchema.optional(),
  /** USD, added to the turn's sum. */
  cost: z.number().nonnegative().optional(),

  // How the wire misbehaves.
  /** Words of that many bytes in one line; they are not kept. */
  bigLine: z.int().min(1).max(200_000_000).optional(),
  malformed: z.union([z.literal(true), z.int().min(1)]).optional(),
  duplicate: z.literal(true).optional(),
  /** A word of this turn after its end. */
  late: z.literal(true).optional(),
  /** Closes its output and lives on. */
  disconnect: z.literal(true).optional(),

  // How it ends.
  exit: z.int().min(0).max(255).optional(),
  kill: z
    .string()
    .regex(/^SIG[A-Z0-9]+$/)
    .optional(),
  fail: z
    .strictObject({
      class: FailureClass.default('model'),
      message: z.string(),
      resetAt: z.number().optional(),
      /** In place of `resetAt`: from when it is played. */
      resetInMs: ms.optional(),
    })
    .optional(),
  /** Fails without a word of why. */
  emptyError: z.literal(true).optional(),
  /** Says `done`, and has a failure all the same. */
  successWithError: z.literal(true).optional(),
  /** Cut off by the model's limit. */
  length: z.literal(true).optional(),
  /** As the first step: the prompt is not taken at all. */
  refuse: z.strictObject({ class: FailureClass.default('model'), message: z.string() }).optional(),
});
export type Step = z.output<typeof stepSchema>;

export const fakeScriptSchema = scriptSchema(stepSchema);
export type FakeScript = z.output<typeof fakeScriptSchema>;
