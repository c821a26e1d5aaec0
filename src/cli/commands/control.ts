import type { InputOf } from '../../contract/api.ts';
import type { Context } from '../command.ts';
import { argument, type Command, defineCommand, option } from '../command.ts';
import { idOf } from '../ids.ts';

type Verb = 'cancel' | 'pause' | 'resume' | 'retry';

const ANY = 'a request (req_…) or a task (tsk_…)';
/** Tasks stop and go on with their request. */
const WHOLE = 'a request (req_…)';

const control = (verb: Verb, what: string): Command =>
  defineCommand({
    arguments: { id: argument('id', what) },
    options: { reason: option('--reason <text>', 'why; kept with what happened') },
    run: async (context, args) => {
      const input = { id: idOf(args.id, ['req', 'tsk']), reason: args.reason };
      await act(context, verb, input as InputOf<`things.${Verb}`>);
    },
  });

async function act({ client, output }: Context, verb: Verb, input: InputOf<`things.${Verb}`>): Promise<void> {
  const daemon = await client();
  const { id } = input;
  if (verb === 'resume' && id.startsWith('req_') && (await isOnlyPlanned())) {
    const request = await daemon.call('requests.execute', { id: id as `req_${string}` });
    output.result({ id, state: request.state, cause: request.cause }, () => [`${id} ${request.state}`]);
    return;
  }
  const result = await daemon.call(`things.${verb}`, input);
  output.result(result, () => [`${result.id} ${result.state}${result.cause === null ? '' : ` (${result.cause})`}`]);

  async function isOnlyPlanned(): Promise<boolean> {
    const { request } = await daemon.call('requests.get', { id: id as `req_${string}` });
    return request.state === 'planned';
  }
}

export const cancel = control('cancel', ANY);
export const pause = control('pause', WHOLE);
export const resume = control('resume', WHOLE);
export const retry = control('retry', ANY);
