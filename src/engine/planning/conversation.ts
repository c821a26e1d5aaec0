import type { Request } from '../../contract/request.ts';

/** About 1,200 tokens of English: what a plan is worth telling of the past. */
const MAX_CHARACTERS = 4_800;
const MAX_TURN = 600;
const MAX_SHORT = 80;

/**
 * The earlier turns of a conversation as the planner is told of them, oldest first: the newest at length in the first half
 * of the room, older ones in short, of the rest the number. It is made of the requests themselves, so there is nothing more
 * to keep, and no model is asked to sum it up.
 */
export function conversationLines(newestFirst: readonly Request[]): string[] {
  const lines: string[] = [];
  let left = MAX_CHARACTERS;
  for (const request of newestFirst) {
    const line = turnLine(request, left > MAX_CHARACTERS / 2 ? MAX_TURN : MAX_SHORT);
    if (line.length > left) break;
    left -= line.length;
    lines.unshift(line);
  }
  const dropped = newestFirst.length - lines.length;
  return dropped === 0 ? lines : [`${dropped} earlier ${dropped === 1 ? 'turn' : 'turns'}, not told here`, ...lines];
}

/** As JSON texts: whatever a turn holds, it is a quotation here. */
const turnLine = (request: Request, most: number): string =>
  `asked: ${quote(request.text, most)} ${outcomeOf(request, most)}`;

function outcomeOf({ state, plan, result, failure }: Request, most: number): string {
  if (plan?.reply != null) return `answered: ${quote(plan.reply, most)}`;
  const titles = plan ? ` (tasks: ${quote(plan.tasks.map((task) => task.title).join('; '), most)})` : '';
  const words = result?.summary || failure?.message || '';
  return `${state}${titles}${words === '' ? '' : `: ${quote(words, most)}`}`;
}

const quote = (text: string, most: number): string =>
  JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text);
