import type { Client } from '../client/client.ts';
import type { Approval } from '../contract/approval.ts';
import { toAppError } from '../contract/errors.ts';
import { askQuestions } from './ask.ts';
import type { Context } from './command.ts';
import { subjectText } from './progress.ts';

/** How an approval ended, in words: `allowed once by person`. */
export function decisionText({ state, decision, decidedBy, cause }: Approval): string {
  const scope =
    decision?.type === 'allow' ? ` ${decision.scope === 'once' ? 'once' : `for this ${decision.scope}`}` : '';
  const reason = decision?.type === 'deny' ? `: ${decision.reason}` : '';
  // What a yes is caused by is its scope, which is said already.
  const why = reason || (cause === null || scope !== '' ? '' : ` (${cause})`);
  return `${state}${scope}${decidedBy === null ? '' : ` by ${decidedBy}`}${why}`;
}

/** The keys of the live view: o once, s session, d deny, a answer. What went wrong is said, and the work goes on. */
export const keyAnswer =
  (context: Context, client: Client) =>
  async (approval: Approval, key: string): Promise<void> => {
    try {
      const decided = await decideByKey(client, approval, key);
      if (decided !== null) context.output.note(`${decisionText(decided)}: ${subjectText(decided)}`);
    } catch (error) {
      context.output.note(`gantry: ${toAppError(error).message}`);
    }
  };

async function decideByKey(client: Client, approval: Approval, key: string): Promise<Approval | null> {
  const { id } = approval;
  if (key === 'd') return client.call('approvals.deny', { id });
  if (approval.subject.type === 'permission') {
    if (key !== 'o' && key !== 's') return null;
    return client.call('approvals.allow', { id, scope: key === 'o' ? 'once' : 'session' });
  }
  const answers = key === 'a' ? await askQuestions(client, approval) : null;
  return answers === null ? null : client.call('approvals.answer', { id, answers });
}
