import { Scope } from '../../base/scope.ts';
import { deferred } from '../../base/wait.ts';
import { AppError } from '../../contract/errors.ts';
import type { Request } from '../../contract/request.ts';
import type { Task } from '../../contract/task.ts';
import { type Context, defineCommand, flag } from '../command.ts';
import { DEMO_REQUEST, type Demo, openDemo, requireAgent } from '../demo.ts';
import { diffLines } from '../diff.ts';
import { Interrupts } from '../keys.ts';
import { isSettled } from '../progress.ts';
import { follow, submit } from '../request.ts';
import { exitCodeOf, planLines, requestDocument, resultLines } from '../result.ts';
import { oneLine, wrap } from '../text.ts';
import { newMemory } from '../watch.ts';

export const demo = defineCommand({
  options: { isKept: flag('--keep', 'keep the project and the home, and say where they are') },
  run: async (context, args) => {
    // Also while it starts and while it clears up: a Ctrl-C must not leave anything behind.
    using interrupts = new Interrupts();
    const scope = new Scope();
    const stopped = deferred<never>();
    const onTerminate = (): void => stopped.reject(new AppError('cancelled', 'the demo was stopped'));
    process.once('SIGTERM', onTerminate).once('SIGHUP', onTerminate);
    context.output.note(`Request: "${DEMO_REQUEST}"`, 'Starting a daemon, OpenCode and a scripted model …');
    const opening = openDemo(scope, context.environment, args.isKept);
    try {
      const played = opening.then((stage) => play(context, stage, interrupts, args.isKept));
      return await Promise.race([played, stopped.promise]);
    } finally {
      process.off('SIGTERM', onTerminate).off('SIGHUP', onTerminate);
      // What is just being started can be ended only when it is there.
      await Promise.allSettled([opening]);
      await scope.close();
    }
  },
});

const OPTIONS = {
  backend: 'opencode',
  model: undefined,
  role: undefined,
  maxTasks: undefined,
  isSingle: false,
  isDirtyAllowed: false,
  maxParallel: undefined,
  timeoutMs: undefined,
  merge: undefined,
  isolation: undefined,
  budgetUsd: undefined,
  isPlanOnly: false,
} as const;

async function play(context: Context, stage: Demo, interrupts: Interrupts, isKept: boolean): Promise<number> {
  await requireAgent(stage.client);
  const { directory } = stage.project;
  const { id } = await submit(context, stage.client, DEMO_REQUEST, { ...OPTIONS, project: directory });
  await follow(context, stage.client, id, isSettled, { memory: newMemory(), interrupts });
  return report(context, stage, id, isKept);
}

/** Shows what was done and makes sure that it is really there. */
async function report(
  { output, clock }: Context,
  { client, project, directory, url }: Demo,
  id: Request['id'],
  isKept: boolean,
): Promise<number> {
  const detail = await client.call('requests.get', { id });
  const { request, tasks } = detail;
  const code = exitCodeOf(request, tasks);
  const branch = request.result?.branch ?? null;
  const files = request.result?.filesChanged ?? [];
  const missing = branch === null || code !== 0 ? [] : await project.takeOver(branch, files);
  const isOnDisk = code === 0 && files.length > 0 && missing.length === 0;
  const { diff } = await client.call('requests.diff', { id });
  const decisions = await permissionLines(client, id, tasks);
  const { paint } = output;
  const title = (text: string): string[] => ['', paint('bold', text)];
  const wrapped = (text: string): string[] => wrap(text, output.columns);
  output.result(
    { ...requestDocument(detail, clock.now()), isOnDisk, isScripted: true, url, kept: isKept ? directory : null },
    () => [
      ...(request.plan === null ? [] : [...title('Plan'), ...planLines(request.plan, output)]),
      ...title('Result'),
      ...resultLines(detail, isKept ? project.directory : null, clock.now(), output),
      ...title('Permissions'),
      ...(decisions.length > 0 ? decisions : ['nothing was asked']),
      ...title('Diff'),
      ...diffLines(diff, paint),
      '',
      ...(isOnDisk
        ? wrapped(
            `✓ merged into the project and compared with the disk: ${files.map((file) => file.path).join(', ')}`,
          ).map((line) => paint('green', line))
        : [paint('red', `✗ not on disk: ${missing.join(', ') || 'there is no result'}`)]),
      `Dashboard: ${url} (it ended with the demo; yours: gantry open)`,
      ...(isKept
        ? [`Kept: ${directory}`]
        : ['The project and the home of the demo are removed. To keep them:', '  npm start -- --keep']),
      ...['A scripted model played the agents. With your own model:', '  npm start -- "<request>" --project DIR'].map(
        (line) => paint('yellow', line),
      ),
    ],
  );
  return isOnDisk ? 0 : Math.max(1, code);
}

/** What agents asked for, and which rule settled it. */
async function permissionLines(client: Demo['client'], id: Request['id'], tasks: readonly Task[]): Promise<string[]> {
  const { items } = await client.call('facts.list', { requestId: id, kind: ['policy.decided'], since: 0, limit: 1000 });
  return items.flatMap((fact) => {
    if (fact.kind !== 'policy.decided') return [];
    const { call, verdict } = fact.data;
    const label = tasks.find((task) => task.id === fact.taskId)?.label ?? fact.actor;
    const what = oneLine(call.command ?? call.patterns.join(' '));
    return [`  ${label} asked: ${call.tool} "${what}" → ${verdict.action}, by rule ${oneLine(verdict.rule)}`];
  });
}
