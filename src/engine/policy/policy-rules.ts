import type { PolicyRule } from '../../contract/approval.ts';

/**
 * Whether a pattern fits a text. `*` stands for any characters, every other character for itself; a pattern that ends in
 * ` *` also fits the text without arguments (`ls *` fits `ls`).
 */
export function fits(pattern: string, text: string): boolean {
  if (pattern.endsWith(' *') && fits(pattern.slice(0, -2), text)) return true;
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** Commands that only read, of whatever their operands name. */
const READING = [
  ...['ls', 'cat', 'head', 'tail', 'wc', 'grep', 'rg', 'find', 'cd', 'echo', 'test', '[', 'diff', 'sort', 'uniq'].map(
    (name) => `${name} *`,
  ),
  ...['status', 'diff', 'log', 'show', 'rev-parse', 'ls-files'].map((name) => `git ${name} *`),
  'git branch --show-current',
  'pwd',
  'true',
  'false',
];

/** Commands that run a project's own tests and builds, and so whatever the project says. */
const TESTING = [
  'npm test *',
  ...['test', 'lint', 'build', 'check', 'types'].flatMap((name) => [`npm run ${name} *`, `npm run ${name}:*`]),
  'npx --no tsc *',
  'node --test *',
  'pytest *',
  'python -m pytest *',
  'python3 -m pytest *',
  ...['test', 'vet', 'build'].map((name) => `go ${name} *`),
  ...['test', 'check', 'build'].map((name) => `cargo ${name} *`),
  'make test',
  'make check',
];

const bash = (action: PolicyRule['action'], pattern: string, reason?: string): PolicyRule => ({
  action,
  tool: 'bash',
  pattern,
  ...(reason === undefined ? {} : { reason }),
});

const OWN_INBOX = 'Approvals, grants and tokens are for people: wait for the answer.';
const COLLECTED = 'Gantry collects the work of every task onto a branch; nothing is pushed from here.';

const DENIED: readonly PolicyRule[] = [
  bash('deny', 'sudo *', 'Nothing is run with the rights of another user.'),
  bash('deny', 'git push *', COLLECTED),
  bash('deny', 'git worktree *', 'Gantry makes and removes the worktrees.'),
  bash('deny', 'git config *--global*', 'The settings of the person are not changed.'),
  bash('deny', 'git config *--system*', 'The settings of the machine are not changed.'),
  bash('deny', 'rm -rf /*', 'Only what is below the working directory may be removed; give a relative path.'),
  bash('deny', 'rm -rf ~*', 'Only what is below the working directory may be removed; give a relative path.'),
  ...['approve', 'deny', 'answer', 'grants', 'token'].map((name) => bash('deny', `gantry ${name}*`, OWN_INBOX)),
  { action: 'deny', tool: 'gantry_approvals_*', reason: OWN_INBOX },
];

/** What the lists below would allow by its beginning, and what does more than read. */
const GUARDS: readonly PolicyRule[] = [
  ...['-exec', '-ok', '-delete', '-fprint', '-fls'].map((option) =>
    bash('ask', `find *${option}*`, 'It does more than find.'),
  ),
  ...['--pre', '--hostname-bin'].map((option) => bash('ask', `rg *${option}*`, 'It runs another program.')),
  bash('ask', 'sort *-*o*', 'It may write a file or run another program.'),
  bash('ask', 'uniq * **', 'It may write a file.'),
  ...['--output', '--ext-diff'].map((option) =>
    bash('ask', `git *${option}*`, 'It may write a file or run another program.'),
  ),
  bash('ask', 'cd', 'It leaves the working directory.'),
  bash('ask', 'cd -*', 'It leaves the working directory.'),
];

const anywhere = (name: string): string[] => [name, `*/${name}`];
const forFiles = (
  action: PolicyRule['action'],
  tool: string,
  names: readonly string[],
  reason?: string,
): PolicyRule[] =>
  names.flatMap(anywhere).map((pattern) => ({ action, tool, pattern, ...(reason === undefined ? {} : { reason }) }));

const EXAMPLES = ['.env.example', '.env.sample', '.env.template'];
const SECRETS = ['.env', '.env.*', '.envrc'];
/** What git, a CI service or an agent program runs or obeys by itself. */
const OBEYED = ['.git', '.git/*', '.github/workflows/*', '.gantry/*', '.opencode/*', 'opencode.json', 'opencode.jsonc'];

const FILES: readonly PolicyRule[] = [
  ...['read', 'edit'].flatMap((tool) => [
    ...forFiles('allow', tool, EXAMPLES),
    ...forFiles('ask', tool, SECRETS, 'It may hold secrets.'),
  ]),
  ...forFiles('ask', 'edit', OBEYED, 'It decides what runs later without being asked.'),
  ...['/*', '~*', '..', '../*', '*/../*', '*/..'].map(
    (pattern): PolicyRule => ({
      action: 'ask',
      tool: 'edit',
      pattern,
      reason: 'It is outside of the working directory.',
    }),
  ),
  { action: 'allow', tool: 'edit', pattern: '*' },
];

const allow = (tool: string): PolicyRule => ({ action: 'allow', tool });
const ask = (tool: string, reason: string): PolicyRule => ({ action: 'ask', tool, reason });

/** Rules for commands that only read; the only ones that a read-only role may run. */
export const READING_RULES: readonly PolicyRule[] = READING.map((pattern) => bash('allow', pattern));

/**
 * What holds where nobody has written a rule. The allowed commands are no wall: tests and builds run the project's own
 * code. The wall is the host that the agent runs on.
 */
export const BUILT_IN_RULES: readonly PolicyRule[] = [
  ...DENIED,
  ...GUARDS,
  ...READING_RULES,
  ...TESTING.map((pattern) => bash('allow', pattern)),
  ...FILES,
  ...['read', 'glob', 'grep', 'list', 'todowrite', 'lsp', 'skill', 'task'].map(allow),
  // Of Gantry's own MCP server: what an agent does as itself.
  ...['gantry_messages_*', 'gantry_agents_list', 'gantry_progress_report'].map(allow),
  ask('external_directory', 'It is outside of the working directory.'),
  ask('doom_loop', 'The agent repeats the same call.'),
  ask('webfetch', 'It reaches the network.'),
  ask('websearch', 'It reaches the network.'),
];
