import { textFrom } from '../ask.ts';
import { argument, defineCommand, oneOf, option, time, words } from '../command.ts';
import { idOf } from '../ids.ts';
import { maybe } from '../maybe.ts';

export const send = defineCommand({
  arguments: {
    agent: argument('agent', 'its address project/role/name, or a short form: its name, project/name'),
    text: words('text', 'the message; - reads standard input'),
  },
  options: {
    mode: option('--mode <mode>', 'when it is read; default next-turn', oneOf(['next-turn', 'steer', 'interrupt'])),
    subject: option('-s, --subject <text>', 'in a few words'),
    replyTo: option('--reply-to <id>', 'the message (mail_…) that this answers'),
    ttlMs: option('--ttl <time>', 'given up if it was not delivered by then: 1h', time),
  },
  run: async (context, args) => {
    const text = await textFrom(context, args.text, 'What is the message?');
    const client = await context.client();
    const message = await client.call('messages.send', {
      to: args.agent,
      text,
      subject: args.subject,
      mode: args.mode ?? 'next-turn',
      replyTo: maybe(args.replyTo, (given) => idOf(given, ['mail'])),
      ttlMs: args.ttlMs,
    });
    context.output.result(message, () => [
      `${message.id} ${message.state}${message.cause === null ? '' : ` (${message.cause})`}`,
      ...(message.held === null ? [] : [`  ${message.held}`]),
    ]);
  },
});
