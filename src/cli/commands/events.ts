import { AppError } from '../../contract/errors.ts';
import { FACT_KINDS, type Fact, type FactKind } from '../../contract/fact.ts';
import { didYouMean } from '../../daemon/nearest.ts';
import { defineCommand, flag, integer, list, option } from '../command.ts';
import { eventLine } from '../facts.ts';
import { type FactQuery, followFacts } from '../follow-facts.ts';
import { idOf } from '../ids.ts';
import { maybe } from '../maybe.ts';

const NOTHING = 'Nothing found.';

export const events = defineCommand({
  options: {
    recent: option('-n, --recent <n>', 'so many of the newest; default 50', integer(1, 1000)),
    follow: flag('-f, --follow', 'go on with what happens, until Ctrl-C; with --json a document per line'),
    type: option(
      '--type <a,b>',
      'only these kinds: task.changed, tool.started, …; with --search also PreToolUse, Stop, …',
      list,
    ),
    search: option('--search <words>', 'only what holds them: words, "phrases", beginnings*, field:value'),
    session: option('--session <id>', 'only of this session'),
    source: option('--source <who>', 'only what this one caused: gantry, person, agent:…; or an app, by its name'),
  },
  run: async (context, args) => {
    const { output } = context;
    const isSearch = args.search !== undefined;
    const { kinds: kind, types } = typesOf(args.type, isSearch);
    const client = await context.client();
    const query: FactQuery = {
      kind,
      sessionId: maybe(args.session, (given) => idOf(given, ['sess'])),
      ...causedBy(args.source),
    };
    if (args.search !== undefined) {
      const limit = Math.min(args.recent ?? 50, 200);
      const page = await client.call('facts.search', {
        ...query,
        type: types,
        q: args.search,
        limit,
      });
      const facts = page.items.map(({ fact }) => fact).reverse();
      const shown = facts.map((fact) => eventLine(fact, output.columns, output.paint));
      output.result(page.items, () => (shown.length === 0 ? [NOTHING] : shown));
      return 0;
    }
    const { items, next } = await client.call('facts.list', {
      ...query,
      recent: args.recent ?? 50,
      limit: args.recent ?? 50,
    });
    const line = (fact: Fact): string => eventLine(fact, output.columns, output.paint);
    if (!args.follow) {
      output.result(items, () => (items.length === 0 ? [NOTHING] : items.map(line)));
      return 0;
    }
    const print = (fact: Fact): void => (output.isJson ? output.jsonLine(fact) : output.raw(line(fact)));
    items.forEach(print);
    return followFacts(client, { ...query, since: next }, print);
  },
});

/** An outside program's events have types of their own, in CamelCase: what is searched for may be of one. */
function typesOf(given: readonly string[] | undefined, isSearch: boolean) {
  const [types, kinds] = partition(given ?? [], (name) => isSearch && /^[A-Z]/.test(name));
  if (types.length === 0) return { kinds: given && kinds.map(kindOf), types: undefined };
  if (kinds.length === 0) return { kinds: ['observed' as const], types };
  throw new AppError(
    'usage',
    `either kinds of events (${kinds.join(', ')}) or types of a program (${types.join(', ')})`,
  );
}

function partition(names: readonly string[], isFirst: (name: string) => boolean): [string[], string[]] {
  return [names.filter(isFirst), names.filter((name) => !isFirst(name))];
}

/** One who causes things is named with a colon, an app without. */
function causedBy(source: string | undefined): { readonly actor?: string[]; readonly source?: string[] } {
  if (source === undefined) return {};
  return /^(?:gantry|person)$|:/.test(source) ? { actor: [source] } : { source: [source] };
}

function kindOf(kind: string): FactKind {
  const found = FACT_KINDS.find((known) => known === kind);
  if (found !== undefined) return found;
  const message = `there is no kind of event "${kind}"${didYouMean(kind, FACT_KINDS)}`;
  throw new AppError('usage', message, { details: { accepted: FACT_KINDS } });
}
