import type { Client } from '../../client/client.ts';
import { AppError } from '../../contract/errors.ts';
import type { MessageId } from '../../contract/ids.ts';
import type { Message, ShownMessage } from '../../contract/message.ts';
import { textFrom } from '../ask.ts';
import { type Context, defineCommand, flag, integer, option, optionalArgument, words } from '../command.ts';
import { idOf } from '../ids.ts';
import { stateStyle } from '../lists.ts';
import { table } from '../output.ts';
import { brief, duration } from '../text.ts';

type Args = { readonly id: MessageId; readonly text: string | undefined };

/** What is done with one message, by its word. */
const VERBS: Readonly<Record<string, (context: Context, args: Args) => Promise<void>>> = { read, reply, archive };

export const inbox = defineCommand({
  arguments: {
    agent: optionalArgument('agent', 'whose messages; yours without it. Or a word: read, reply, archive'),
    id: optionalArgument('id', 'after such a word: the message (mail_…)'),
    text: words('text', 'after reply: the answer; - reads standard input'),
  },
  options: {
    all: flag('--all', 'those that were archived too'),
    thread: option('--thread <id>', 'only of the thread of this message (mail_…)'),
    limit: option('-n, --limit <n>', 'at most so many; default 20', integer(1, 1000)),
  },
  details: [
    '  gantry inbox                           what agents sent you',
    '  gantry inbox read mail_…               the message and its thread',
    '  gantry inbox reply mail_… "yes, blue"  answers its sender',
  ],
  run: async (context, args) => {
    const verb = VERBS[args.agent ?? ''];
    if (verb) return verb(context, { id: mailOf(args.id, args.agent), text: args.text });
    const { output, clock } = context;
    const client = await context.client();
    const { items } = await client.call('messages.list', {
      agent: args.agent ?? (await ownAddress(client)),
      thread: args.thread === undefined ? undefined : idOf(args.thread, ['mail']),
      all: args.all ? 'true' : 'false',
      limit: args.limit ?? 20,
    });
    output.result(items, () => (items.length === 0 ? ['No messages.'] : rowsOf(items, clock.now(), output)));
  },
});

/** In an agent's shell the agent's. */
const ownAddress = async (client: Client): Promise<string> => (await client.call('whoami', {})).agent ?? 'person';

function rowsOf(items: readonly ShownMessage[], now: number, output: Context['output']): string[] {
  const columns = [
    { title: 'ID' },
    { title: 'STATE', style: stateStyle },
    { title: 'FROM', min: 8 },
    { title: 'TO', min: 8 },
    { title: 'AGE', align: 'right' as const },
    { title: 'TEXT', min: 16 },
    ...(items.some(({ held }) => held !== null) ? [{ title: 'HELD', min: 16 }] : []),
  ];
  const rows = items.map((item) => [
    item.id,
    item.state,
    item.from,
    item.to,
    duration(now - item.createdAt),
    brief(titleOf(item)),
    item.held ?? '',
  ]);
  return table(columns, rows, output.columns, output.paint);
}

/** A subject that ends with the whole text says it all. */
const titleOf = ({ subject, text }: Message): string =>
  subject === null || subject.endsWith(text) ? (subject ?? text) : `${subject}: ${text}`;

function mailOf(given: string | undefined, verb = ''): MessageId {
  if (given !== undefined) return idOf(given, ['mail']);
  throw new AppError('usage', `inbox ${verb}: no message is named`, {
    details: { accepted: [`inbox ${verb} mail_…`], remedy: 'gantry inbox lists them.' },
  });
}

async function read({ client, output }: Context, { id }: Args): Promise<void> {
  const result = await (await client()).call('messages.read', { id });
  output.result(result, () =>
    result.thread.flatMap((m) => [
      output.paint('bold', `${m.id} ${m.from} → ${m.to} (${m.state})${m.subject === null ? '' : ` ${m.subject}`}`),
      ...m.text.split('\n'),
      ...[m.cause, m.held].flatMap((why) => (why === null ? [] : [output.paint('dim', why)])),
      '',
    ]),
  );
}

async function reply(context: Context, { id, text }: Args): Promise<void> {
  const daemon = await context.client();
  const { message } = await daemon.call('messages.read', { id });
  const words = await textFrom(context, text, 'What is the answer?');
  const to = message.from === (await ownAddress(daemon)) ? message.to : message.from;
  const sent = await daemon.call('messages.send', { to, text: words, replyTo: message.id });
  context.output.result(sent, () => [`${sent.id} ${sent.state} to ${sent.to}`]);
}

async function archive({ client, output }: Context, { id }: Args): Promise<void> {
  const message = await (await client()).call('messages.archive', { id });
  output.result(message, () => [`${message.id} archived`]);
}
