import type { Client } from '../client/client.ts';
import type { OutputOf } from '../contract/api.ts';
import type { Context } from './command.ts';
import { projectFrom } from './context.ts';
import { fieldLines } from './fields.ts';
import { Interrupts } from './keys.ts';
import { follow, isPlanned, type SubmitArgs, submit } from './request.ts';
import { exitCodeOf, planDocument, planLines, resultLines } from './result.ts';
import { duration, safeText } from './text.ts';
import { newMemory } from './watch.ts';

/** A request from its words to its plan. The answer is the exit code. */
export async function planOnly(context: Context, client: Client, text: string, args: SubmitArgs): Promise<number> {
  const { output, clock } = context;
  using interrupts = new Interrupts();
  const { id } = await submit(context, client, text, { ...args, isPlanOnly: true });
  const { request } = await follow(context, client, id, isPlanned, { memory: newMemory(), interrupts });
  const made = request.plan;
  output.result(planDocument(request), () =>
    made === null
      ? resultLines({ request, tasks: [], attempts: [], approvals: [], merge: null }, '.', clock.now(), output)
      : planLines(made, output),
  );
  if (request.state === 'planned') output.note('', `To carry it out: gantry resume ${id}`);
  return made === null ? exitCodeOf(request, []) : 0;
}

/** What the planner would be asked; nothing is asked. */
export async function dryRun(context: Context, client: Client, text: string, args: SubmitArgs): Promise<void> {
  const { output } = context;
  const project = projectFrom(context, args.project);
  const { backend, model, role, maxTasks } = args;
  const preview = await client.call('plans.preview', { text, project, options: { backend, model, role, maxTasks } });
  const keys = preview.by === 'model' ? await keysOf(client, project) : [];
  output.result({ ...preview, keys }, () => [
    ...fieldLines(
      [
        ['planner', plannerOf(preview)],
        ...keys.map(({ name, source }) => [name, source ?? 'not set'] as const),
        ['tasks', `at most ${preview.maxTasks}`],
        ['limit', duration(preview.timeoutMs)],
      ],
      output,
    ),
    ...(preview.by === 'nobody' ? [] : promptLines(preview).map(safeText)),
  ]);
  output.note('', 'Nothing was asked.');
}

function plannerOf({ by, model, backend }: OutputOf<'plans.preview'>): string {
  if (by === 'nobody') return 'off: the request becomes one task';
  return by === 'model' ? `${model}` : `${backend}, ${model ?? 'its own model'}`;
}

const promptLines = ({ system, user }: OutputOf<'plans.preview'>): string[] => [
  '',
  '── system',
  ...system.split('\n'),
  '',
  '── user',
  ...user.split('\n'),
];

type Key = { readonly name: string /** Where it is set; null: nowhere. */; readonly source: string | null };

async function keysOf(client: Client, project: string): Promise<Key[]> {
  const { items } = await client.call('config.explain', { key: 'credentials', project });
  return items.map(({ key, value, source }) => ({
    name: key.slice('credentials.'.length),
    source: value === null ? null : source,
  }));
}
