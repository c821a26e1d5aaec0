/** What a person wrote. `target` is a task or a request that they named; null: the one of the room or thread. */
export type Command =
  | { readonly type: 'cancel' | 'pause' | 'resume' | 'status'; readonly target: string | null; readonly words: string }
  | { readonly type: 'approve'; readonly id: string; readonly scope: 'once' | 'session' }
  | { readonly type: 'deny' | 'answer'; readonly id: string; readonly words: string }
  | { readonly type: 'help'; readonly problem: string | null }
  | { readonly type: 'text'; readonly text: string };

export const HELP = [
  '/status [task]',
  '/cancel [task] [reason], /pause [task] [reason], /resume [task] [reason]',
  '/approve ID [session], /deny ID reason, /answer ID text',
  'Everything else that is written in the room or thread of a task goes to its agent. `!` is as good as `/`.',
].join('\n');

/** The first word decides; what begins with neither `/word` nor `!word` is text for the task's agent. */
export function readCommand(body: string): Command {
  const text = withoutQuote(body).trim();
  const [, name = '', rest = ''] = /^[/!]([a-z]+)(?:\s+(.*))?$/is.exec(text) ?? [];
  const words = rest.trim();
  switch (name.toLowerCase()) {
    case '':
      return { type: 'text', text };
    case 'cancel':
    case 'pause':
    case 'resume':
    case 'status': {
      const [, target = null] = /^((?:tsk_|req_|task-)\S+)/.exec(words) ?? [];
      const type = name.toLowerCase() as 'cancel' | 'pause' | 'resume' | 'status';
      return { type, target, words: words.slice(target?.length ?? 0).trim() };
    }
    case 'approve':
      return readApprove(words);
    case 'deny':
      return readReply('deny', words, 'a reason');
    case 'answer':
      return readReply('answer', words, 'a text');
    case 'help':
      return { type: 'help', problem: null };
    default:
      return { type: 'help', problem: `There is no command /${name}.` };
  }
}

function readApprove(words: string): Command {
  const [id = '', scope = 'once', ...more] = words.split(/\s+/);
  const isKnown = scope === 'once' || scope === 'session';
  if (id === '' || !isKnown || more.length > 0)
    return { type: 'help', problem: '/approve takes the ID of an approval and, if it is to last, the word session.' };
  return { type: 'approve', id, scope };
}

function readReply(type: 'deny' | 'answer', words: string, what: string): Command {
  const [, id = '', rest = ''] = /^(\S+)\s+(.+)$/s.exec(words) ?? [];
  if (rest === '') return { type: 'help', problem: `/${type} takes the ID of an approval and ${what}.` };
  return { type, id, words: rest };
}

/** A reply repeats what it answers, line by line with `> `, then an empty line. */
const withoutQuote = (body: string): string => body.replace(/^(?:> .*\n)+\n/, '');
