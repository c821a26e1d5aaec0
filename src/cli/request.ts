import { type Client, followView } from '../client/client.ts';
import { AppError, toAppError } from '../contract/errors.ts';
import { Isolation } from '../contract/isolation.ts';
import { isRequestOver, MergeMode, type Request } from '../contract/request.ts';
import type { Context, Kind } from './command.ts';
import { amount, flag, integer, oneOf, option, time } from './command.ts';
import { projectFrom } from './context.ts';
import { keyAnswer } from './decide.ts';
import { Interrupts } from './keys.ts';
import { isSettled, type RequestView } from './progress.ts';
import { exitCodeOf, planLines, replyLines, requestDocument, resultLines } from './result.ts';
import { newMemory, type Watching, watch } from './watch.ts';

/** Other words for the same: Gastown's. Its `direct` has no meaning here. */
const mergeMode: Kind<MergeMode> = {
  values: MergeMode.options,
  parse: (given) => {
    if (given !== 'direct') return oneOf(MergeMode.options).parse(given === 'mr' ? 'queue' : given);
    const why = '"direct" would pass by gates and reviews; queue merges at once where a project has neither';
    throw new AppError('usage', why, { details: { accepted: MergeMode.options } });
  },
};

/** The options of every command that submits a request. */
export const SUBMIT_OPTIONS = {
  project: option('--project <dir>', 'the git repository to work in; default: this directory'),
  backend: option('--backend <id>', 'the agent program: opencode, …'),
  model: option('-m, --model <provider/model>', 'the model of the agents'),
  role: option('--role <name>', 'the role of the agents'),
  maxTasks: option('--max-tasks <n>', 'at most so many tasks', integer(1, 20)),
  isSingle: flag('--single', 'one task made of the request itself, no planning'),
  isDirtyAllowed: flag('--allow-dirty', 'start though there are uncommitted changes, which agents will not see'),
  maxParallel: option('--max-parallel <n>', 'at most so many agents at once', integer(1, 64)),
  timeoutMs: option('--timeout <time>', 'for each attempt: 30s, 15m, 2h', time),
  merge: option('--merge <where>', 'when done: into the merge queue (also: mr), or stay on its branch', mergeMode),
  isolation: option(
    '--isolation <mode>',
    'what stands at least between the agents and the machine',
    oneOf(Isolation.options),
  ),
  budgetUsd: option('--budget-usd <amount>', 'stop before it costs more', amount),
} as const;
export type SubmitArgs = {
  readonly [K in keyof typeof SUBMIT_OPTIONS]: (typeof SUBMIT_OPTIONS)[K]['initial'];
} & { /** A turn of the project's conversation. */ readonly isConversation?: boolean };

export async function submit(
  context: Context,
  client: Client,
  text: string,
  args: SubmitArgs & { readonly isPlanOnly: boolean },
): Promise<Request> {
  return client.call('requests.submit', {
    text,
    project: projectFrom(context, args.project),
    isDirtyAllowed: args.isDirtyAllowed,
    options: {
      backend: args.backend,
      model: args.model,
      role: args.role,
      maxTasks: args.maxTasks,
      maxParallel: args.maxParallel,
      timeoutMs: args.timeoutMs,
      budgetUsd: args.budgetUsd,
      isPlanOnly: args.isPlanOnly,
      isSingleTask: args.isSingle,
      isConversation: args.isConversation ?? false,
      merge: args.merge,
      isolation: args.isolation,
    },
  });
}

/** How long a daemon may be away while its work is watched: it may be restarted. */
const PATIENCE_MS = 60_000;

/** Shows a request until `isOver`. The first Ctrl-C cancels it, the second leaves it. */
export async function follow(
  context: Context,
  client: Client,
  requestId: Request['id'],
  isOver: (view: RequestView) => boolean,
  { memory, interrupts }: Pick<Watching, 'memory' | 'interrupts'>,
): Promise<RequestView> {
  const abort = new AbortController();
  const cancel = async (say: (line: string) => void): Promise<void> => {
    say('Cancelling. Ctrl-C again leaves at once.');
    try {
      await client.call('things.cancel', { id: requestId, reason: 'interrupted at the terminal' });
    } catch (error) {
      say(`gantry: ${toAppError(error).message}`);
    }
  };
  try {
    return await watch(context, followView(client, { requestId, signal: abort.signal, giveUpMs: PATIENCE_MS }), {
      requestId,
      isOver,
      memory,
      interrupts,
      onInterrupt: (say) => void cancel(say),
      answer: keyAnswer(context, client),
    });
  } finally {
    abort.abort();
  }
}

/** Until the planner has spoken. */
export const isPlanned = ({ request }: RequestView): boolean =>
  isRequestOver(request.state) || (request.state !== 'planning' && request.plan !== null);

/**
 * A request from its words to its result: plan, question, work. `confirm` null: the plan is carried out as it is.
 * The answer is the exit code.
 */
export async function runRequest(
  context: Context,
  client: Client,
  text: string,
  args: SubmitArgs,
  confirm: ((question: string) => Promise<boolean>) | null,
): Promise<number> {
  const { output } = context;
  using interrupts = new Interrupts();
  const watching = { memory: newMemory(), interrupts };
  const { id } = await submit(context, client, text, { ...args, isPlanOnly: confirm !== null });
  const { request } = await follow(context, client, id, isPlanned, watching);
  const isShown = !output.isQuiet || confirm !== null;
  if (isShown && request.plan?.reply === null) output.print(...planLines(request.plan, output), '');
  if (request.state === 'planned' && confirm !== null) {
    if (!(await confirm('Carry out?'))) {
      output.note(`Nothing was run. Later: gantry resume ${id}`);
      return 5;
    }
    await client.call('requests.execute', { id });
  }
  await follow(context, client, id, isSettled, watching);
  return printResult(context, client, id);
}

/** The end of a request; the answer is the exit code. */
export async function printResult({ output, clock }: Context, client: Client, id: Request['id']): Promise<number> {
  const detail = await client.call('requests.get', { id });
  const { request, tasks } = detail;
  const reply = request.plan?.reply ?? null;
  const path = await projectPath(client, request.projectId);
  output.result(requestDocument(detail, clock.now()), () =>
    reply === null ? resultLines(detail, path, clock.now(), output) : replyLines(reply, output),
  );
  return exitCodeOf(request, tasks);
}

export async function projectPath(client: Client, projectId: Request['projectId']): Promise<string> {
  const { items } = await client.call('projects.list', {});
  return items.find((project) => project.id === projectId)?.path ?? '.';
}
