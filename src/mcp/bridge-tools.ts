import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { pause } from '../base/wait.ts';
import type { InputOf } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import type { QuestionOutcome } from '../contract/question-operations.ts';
import { defineTool, type Tool, type ToolContext } from './tool.ts';

/** A call that waits longer than this is asked again: a connection must not look dead. */
const ONE_WAIT_MS = 25_000;
/** A question outlives its daemon: that may come back for so long before the program is told that nobody answers. */
const RESTART_MS = 20_000;
const RESTART_PAUSE_MS = 500;
const MAX_SHOWN = 4_000;

/** Whose bridge it is. */
export type Bridge = {
  /** The agent program's name, as its client says it. */
  readonly source: () => string;
  readonly session: string;
  /** Absolute: where files are picked. */
  readonly directory: string;
};

const timeout = {
  timeout_seconds: z
    .number()
    .positive()
    .max(604_800)
    .optional()
    .describe('No answer by then is a denial. Default 900.'),
};

const outcome = {
  status: z.enum(['allowed', 'answered', 'denied']),
  reason: z.string().optional().describe('Why it was denied'),
  answered_by: z.string().optional(),
};

/** What an agent program may ask of the person at Gantry. None of these can answer anything. */
export const bridgeTools = (bridge: Bridge): readonly Tool[] => [
  defineTool({
    name: 'ask_user',
    description: 'Asks the person a question and waits for the answer: free text, or one of the choices.',
    input: z.object({
      question: z.string().min(1).max(10_000),
      choices: z.array(z.string().min(1).max(500)).min(1).max(100).optional(),
      ...timeout,
    }),
    output: z.object({ ...outcome, answer: z.string().optional() }),
    isReadOnly: true,
    run: async ({ question, choices, timeout_seconds: seconds }, context) => {
      const form = choices === undefined ? { type: 'question' as const } : { type: 'choice' as const, choices };
      const came = await ask(bridge, context, { ...form, question, ...limitOf(seconds) });
      return { ...told(came), answer: came.answer ?? undefined };
    },
  }),
  defineTool({
    name: 'request_permission',
    description:
      'Asks whether a tool call may run and waits for the answer: the policy decides what it can, the person the rest. Fits --permission-prompt-tool of Claude Code.',
    input: z.object({
      tool_name: z.string().min(1).max(200),
      input: z.record(z.string(), z.unknown()).default({}).describe('The arguments of the call'),
      reason: z.string().min(1).max(4_000).optional(),
      tool_use_id: z.string().max(256).optional(),
      ...timeout,
    }),
    output: z.object({
      ...outcome,
      behavior: z.enum(['allow', 'deny']),
      updatedInput: z.record(z.string(), z.unknown()).optional(),
      message: z.string().optional(),
    }),
    isReadOnly: true,
    run: async ({ tool_name: tool, input, reason, timeout_seconds: seconds }, context) => {
      const command = typeof input.command === 'string' && input.command !== '' ? { command: input.command } : {};
      const question = [reason, JSON.stringify(input).slice(0, MAX_SHOWN)]
        .filter((one) => one !== undefined)
        .join('\n');
      const came = await ask(bridge, context, { type: 'permission', tool, question, ...command, ...limitOf(seconds) });
      if (came.state === 'allowed') return { ...told(came), behavior: 'allow', updatedInput: input };
      return { ...told(came), behavior: 'deny', message: came.reason ?? 'it was denied' };
    },
  }),
  defineTool({
    name: 'pick_file',
    description: 'Lets the person pick a file of this workspace and waits for it.',
    input: z.object({ prompt: z.string().min(1).max(10_000).default('Pick a file'), ...timeout }),
    output: z.object({ ...outcome, path: z.string().optional().describe('Relative to the workspace') }),
    isReadOnly: true,
    run: async ({ prompt, timeout_seconds: seconds }, context) => {
      const { directory } = bridge;
      const came = await ask(bridge, context, { type: 'file', question: prompt, directory, ...limitOf(seconds) });
      return { ...told(came), path: came.answer ?? undefined };
    },
  }),
  defineTool({
    name: 'report_progress',
    description: 'Tells the person how far the work is. Nothing waits for it.',
    input: z.object({ message: z.string().min(1).max(10_000), percent: z.number().min(0).max(100).optional() }),
    output: z.object({ recorded: z.literal(true) }),
    isReadOnly: false,
    run: async (input, { client }) => {
      await client.call('progress.report', { ...input, source: bridge.source(), session: bridge.session });
      return { recorded: true };
    },
  }),
];

const limitOf = (seconds: number | undefined) =>
  seconds === undefined ? {} : { timeoutMs: Math.max(1, Math.round(seconds * 1_000)) };

type Form = Omit<InputOf<'questions.ask'>, 'source' | 'session'>;

/** Asks, and waits for what comes of it. A caller that gives up takes its question back. */
async function ask({ source, session }: Bridge, context: ToolContext, form: Form): Promise<QuestionOutcome> {
  const { client, signal, progress } = context;
  const asked = { ...form, source: source(), session, key: randomUUID() };
  // Not broken off by the signal: what was asked must be known to be taken back.
  const { id } = await outlive(signal, isLost, () => client.call('questions.ask', asked));
  try {
    for (;;) {
      const wait = { id, waitMs: ONE_WAIT_MS };
      const came = await outlive(signal, isAway, () => client.call('questions.wait', wait, { signal }));
      if (came.state !== 'pending') return came;
      progress?.('waits for the person');
    }
  } catch (error) {
    if (signal.aborted) await client.call('questions.withdraw', { id });
    throw error;
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'daemon_unreachable' || error.code === 'unauthorized');

/** Whether the daemon may have what was sent; one that does not listen has not. */
const isLost = (error: unknown): boolean =>
  isAway(error) && ((error as AppError).cause as { code?: unknown } | undefined)?.code !== 'ECONNREFUSED';

/** A call that may be sent again, until the daemon is back. `isWorth`: whether it is tried on after the first failure. */
async function outlive<T>(
  signal: AbortSignal,
  isWorth: (error: unknown) => boolean,
  send: () => Promise<T>,
): Promise<T> {
  let since: number | null = null;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (signal.aborted || !(since === null ? isWorth : isAway)(error)) throw error;
      since ??= performance.now();
      if (performance.now() - since > RESTART_MS) throw error;
      await pause(RESTART_PAUSE_MS, signal);
    }
  }
}

const told = ({ state, reason, decidedBy }: QuestionOutcome) => ({
  status: state,
  reason: reason ?? undefined,
  answered_by: decidedBy ?? undefined,
});
