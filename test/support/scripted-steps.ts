import { scriptedPrompt } from './opencode.ts';
import type { Act } from './scripted-agent.ts';

type Call = { readonly name: string; readonly input: object };

/** The tools of a real program that carry an act out. */
export type StepTools = {
  readonly run: (command: string) => Call;
  readonly write: (file: NonNullable<Act['write']>) => Call;
  readonly gantry: (call: NonNullable<Act['gantry']>) => Call;
  readonly question: (question: NonNullable<Act['question']>) => Call;
  /** A sub-agent with that prompt. */
  readonly child: (prompt: string) => Call;
  /** The status of an error that the program takes as it is, without another try. */
  readonly failStatus: number;
};

/** The acts as steps of the scripted model. */
export const stepsOf = (acts: readonly Act[], tools: StepTools, holdName: (name: string) => string): object[] =>
  asOneFailure(acts).map((act) => stepOf(act, tools, holdName));

/** An answer that failed is not in the conversation: the next request meets the same step again, whatever was to come. */
function asOneFailure(acts: readonly Act[]): Act[] {
  const merged: Act[] = [];
  for (const act of acts) {
    const last = merged.at(-1);
    if (act.fail === undefined || last?.fail === undefined) merged.push(act);
    else merged.splice(-1, 1, { fail: `${last.fail}; ${act.fail}` });
  }
  return merged;
}

function stepOf(
  { child, run, write, gantry, question, fail, silentMs, hold, ...act }: Act,
  tools: StepTools,
  holdName: (n: string) => string,
): object {
  const own = [
    ...(write ? [tools.write(write)] : []),
    ...(run === undefined ? [] : [tools.run(run)]),
    ...(gantry ? [tools.gantry(gantry)] : []),
    ...(question ? [tools.question(question)] : []),
  ];
  const calls = child ? [tools.child(scriptedPrompt({ tools: own }, { text: '{{lastToolOutput}}' }))] : own;
  return {
    ...act,
    ...(hold !== undefined && { hold: holdName(hold) }),
    ...(silentMs !== undefined && { delayMs: silentMs }),
    ...(fail !== undefined && { error: { status: tools.failStatus, message: fail } }),
    ...(calls.length > 0 && { tools: calls }),
  };
}
