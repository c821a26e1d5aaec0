import type { Client } from '../client/client.ts';
import { AppError } from '../contract/errors.ts';
import type { Request } from '../contract/request.ts';
import type { ConfigValue } from '../contract/shapes.ts';
import type { Context } from './command.ts';
import { fieldLines } from './fields.ts';
import { clip, oneLine } from './text.ts';

export const REPL_HELP: readonly string[] = [
  'Type what is to be done. It is planned; you see the plan and say yes or no.',
  '',
  '  /plan <text>            only plan it',
  '  /requests, /tasks       what there is',
  '  /show <id>, /logs <id>, /explain <id>, /diff <id>',
  '  /approvals              what waits for your answer',
  '  /approve <id>, /deny <id>, /answer <id> <text>',
  '  /agents                 who works on what',
  '  /send <agent> <text>    a message to an agent',
  '  /cancel, /pause, /resume, /retry <id>',
  '  /status                 the daemon',
  '  /help                   this; a command alone in its line needs no slash',
  '  /quit                   leave (also: exit, quit, q)',
  '',
  'Ctrl-C interrupts what runs; twice at the prompt leaves.',
];

/** Commands of the table that make no sense inside the prompt. */
export const NOT_IN_REPL: ReadonlySet<string> = new Set(['repl', 'demo', 'up', 'down', 'completion', 'model serve']);

/** Who plans, where, and with which daemon. */
export async function banner(
  { output }: Context,
  client: Client,
  project: string,
  model: string | undefined,
): Promise<string[]> {
  const { url } = await client.call('status', {});
  const last = await lastTurn(client, project);
  const settings = new Map((await settingsOf(client, project)).map((item) => [item.key, item.value]));
  const text = (key: string): string | null =>
    typeof settings.get(key) === 'string' ? String(settings.get(key)) : null;
  const backend = text('defaultBackend') ?? 'the default backend';
  const agents = model ?? text(`backends.${backend}.model`) ?? 'its own model';
  return [
    ...fieldLines(
      [
        ['planner', text('planner.model') ?? `${backend}, ${agents}`],
        ['agents', `${backend}, ${agents}`],
        ['project', project],
        ['daemon', url],
        ['last turn', last && `${clip(oneLine(last.text), 60)} (${last.state})`],
      ],
      output,
    ),
    output.paint('dim', 'Type what is to be done, or help.'),
  ];
}

/** Of the project's conversation, which goes on where it was. */
async function lastTurn(client: Client, project: string): Promise<Request | null> {
  const known = (await client.call('projects.list', {})).items.some(({ name, path }) => [name, path].includes(project));
  const { items } = known ? await client.call('requests.list', { project }) : { items: [] };
  return items.find(({ options }) => options.isConversation) ?? null;
}

/** Of the project; of no project in particular if it is not known yet. */
async function settingsOf(client: Client, project: string): Promise<readonly ConfigValue[]> {
  try {
    return (await client.call('config.explain', { project })).items;
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'not_found')) throw error;
    return (await client.call('config.explain', {})).items;
  }
}
