import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { type PermissionProfile, PROFILE_TOOLS, type ProfileTool } from '../../backends/backend.ts';
import type { Grant, PolicyRule, PolicyVerdict, ToolCall } from '../../contract/approval.ts';
import { CONFIG_LAYERS, type RoleSettings } from '../../contract/config.ts';
import { AppError } from '../../contract/errors.ts';
import type { BackendId } from '../../contract/ids.ts';
import type { PlacedRule, Settings } from '../settings.ts';
import { type CommandPart, commandParts, relativeTo } from './command-parts.ts';
import { BUILT_IN_RULES, fits, READING_RULES } from './policy-rules.ts';

export type PolicyInput = {
  readonly call: ToolCall;
  readonly role: string;
  readonly isReadOnly: boolean;
  readonly backend: BackendId;
  /** Where the agent works, absolute: paths below it count as relative ones. */
  readonly directory?: string;
};

/** One thing that a call would do: all of them must be allowed. */
type Subject = Pick<CommandPart, 'texts' | 'isOpaque' | 'forms' | 'paths'> & { readonly tool: string };

const EDIT_TOOLS = new Set(['edit', 'write', 'patch', 'apply_patch', 'multiedit']);
const PATH_TOOLS = new Set([...EDIT_TOOLS, 'read', 'list', 'external_directory']);
const BUILT_IN: readonly PlacedRule[] = BUILT_IN_RULES.map((rule) => ({ rule, layer: 'built-in' }));
const READING: readonly PlacedRule[] = READING_RULES.map((rule) => ({ rule, layer: 'built-in' }));

/**
 * What the policy does with a call. Pure. In this order: a rule that denies, from any layer; a grant of a person; the
 * rules of the nearest layer that has one (project, user, built-in), the first that fits; the default. Of several
 * commands or paths all must be allowed. `policy.rules` holds the configuration's rules, `grants` those of the session
 * and its project; the built-in rules are added here.
 */
export function decide(
  input: PolicyInput,
  policy: Settings['policy'],
  grants: readonly Grant[],
  now: number,
): PolicyVerdict {
  const { call, directory = null } = input;
  const judge = new Judge(input, policy, grantedTexts(call.tool, grants, { directory, now }));
  // The program's own patterns of a command may only forbid: what it runs is read from the command.
  const named = call.command === null ? [] : subjectsOf({ ...call, command: null }, directory);
  const denial = named.map((subject) => judge.denial(subject)).find((verdict) => verdict !== null);
  return denial ?? worst(subjectsOf(call, directory).map((subject) => judge.judge(subject)));
}

/**
 * The commands of a shell line, each as plain text. A line that cannot be split safely (substitutions, variables, output
 * to files, here-documents, control structures) is one pattern: itself. Applied to a pattern it gives that pattern.
 */
export function commandPatterns(command: string): readonly string[] {
  return [...new Set(commandParts(command, null).map((part) => part.texts[0] ?? command))];
}

/**
 * What `gantry policy test` shows: the verdict on one command, path or URL, without anybody's grants.
 * @throws AppError `bad_request` for a role that is not configured.
 */
export function policyTest(
  input: {
    readonly tool: string;
    readonly value: string;
    readonly role?: string | undefined;
    readonly backend?: BackendId | undefined;
  },
  settings: Pick<Settings, 'defaultBackend' | 'defaultRole' | 'roles' | 'policy'>,
): PolicyVerdict & { readonly patterns: string[] } {
  const { tool, value, role = settings.defaultRole, backend = settings.defaultBackend } = input;
  const roleSettings = Object.hasOwn(settings.roles, role) ? settings.roles[role] : undefined;
  if (!roleSettings) {
    throw new AppError('bad_request', `there is no role ${role}; known: ${Object.keys(settings.roles).join(', ')}`);
  }
  const isCommand = tool === 'bash';
  const patterns = isCommand ? [...commandPatterns(value)] : [value];
  const call = { tool, patterns, command: isCommand ? value : null, diff: null };
  const verdict = decide({ call, role, isReadOnly: roleSettings.isReadOnly ?? false, backend }, settings.policy, [], 0);
  return { ...verdict, patterns };
}

function subjectsOf(call: ToolCall, directory: string | null): readonly Subject[] {
  const { tool } = call;
  const patterns = call.patterns.length > 0 ? call.patterns : [''];
  if (tool === 'bash') {
    const lines = call.command === null ? patterns : [call.command];
    return lines.flatMap((line) => commandParts(line, directory)).map((part) => ({ ...part, tool }));
  }
  return patterns.map((pattern) => subjectOf(tool, pattern, directory));
}

function subjectOf(tool: string, pattern: string, directory: string | null): Subject {
  const path = PATH_TOOLS.has(tool) && pattern !== '' ? posix.normalize(pattern) : pattern;
  const text = directory === null ? path : relativeTo(path, directory);
  const texts = text === path ? [pattern, text] : [text];
  return { tool, texts: [text], isOpaque: false, forms: { texts, isComplete: true }, paths: [] };
}

/** Texts that a person's standing yes covers: exactly what was shown, never what it might match. */
function grantedTexts(
  tool: string,
  grants: readonly Grant[],
  at: { readonly directory: string | null; readonly now: number },
): ReadonlyMap<string, Grant> {
  const isValid = ({ state, expiresAt }: Grant): boolean =>
    state === 'active' && (expiresAt === null || expiresAt > at.now);
  return new Map(
    grants
      .filter((grant) => grant.tool === tool && isValid(grant))
      .flatMap((grant) => {
        const shown = subjectsOf({ tool, patterns: grant.patterns, command: null, diff: null }, at.directory);
        return shown.flatMap(({ texts }) => texts.slice(0, 1)).map((text) => [text, grant] as const);
      }),
  );
}

const RANK = { allow: 0, ask: 1, deny: 2 } as const;

const worst = (verdicts: readonly PolicyVerdict[]): PolicyVerdict =>
  verdicts.reduce((a, b) => (RANK[b.action] > RANK[a.action] ? b : a));

class Judge {
  readonly #input: PolicyInput;
  readonly #policy: Settings['policy'];
  readonly #granted: ReadonlyMap<string, Grant>;
  /** Nearest layer first. */
  readonly #rules: readonly PlacedRule[];

  constructor(input: PolicyInput, policy: Settings['policy'], granted: ReadonlyMap<string, Grant>) {
    this.#input = input;
    this.#policy = policy;
    this.#granted = granted;
    const layers: readonly string[] = CONFIG_LAYERS;
    const order = (rule: PlacedRule): number => layers.indexOf(rule.layer);
    this.#rules = [...policy.rules.toSorted((a, b) => order(b) - order(a)), ...BUILT_IN];
  }

  denial(subject: Subject): PolicyVerdict | null {
    const denied = this.#rules.find(({ rule }) => rule.action === 'deny' && this.#holds(rule, subject));
    return denied ? verdictOf(denied) : null;
  }

  judge(subject: Subject): PolicyVerdict {
    const denied = this.denial(subject) ?? this.#changes(subject);
    if (denied) return denied;
    const grant = this.#granted.get(subject.texts[0] ?? '');
    if (grant) return { action: 'allow', rule: `grant ${grant.id} (${grant.scope})`, reason: null };
    const placed = this.#rules.find(({ rule }) => rule.action !== 'deny' && this.#holds(rule, subject));
    const verdict = placed ? verdictOf(placed) : this.#default();
    if (verdict.action !== 'allow') return verdict;
    if (!subject.forms.isComplete) return { ...verdict, action: 'ask', reason: 'It is too long to be judged.' };
    // The built-in rules know commands by their beginning: what they name is judged as well.
    const paths = placed?.layer === 'built-in' ? subject.paths : [];
    return worst([verdict, ...paths.map(({ tool, path }) => this.judge(subjectOf(tool, path, null)))]);
  }

  /** What a read-only role may not do; null for everything else. */
  #changes(subject: Subject): PolicyVerdict | null {
    if (!this.#input.isReadOnly) return null;
    const deny = (reason: string): PolicyVerdict => {
      return { action: 'deny', rule: `deny ${subject.tool} (role ${this.#input.role} is read-only)`, reason };
    };
    if (EDIT_TOOLS.has(subject.tool)) return deny('This role only reads: it changes no files.');
    if (subject.tool !== 'bash') return null;
    const first = BUILT_IN.find(({ rule }) => this.#holds(rule, subject));
    const isReading = READING.some(({ rule }) => rule === first?.rule);
    return isReading
      ? null
      : deny('This role only reads: it runs plain commands that read, such as ls, cat, grep, git diff.');
  }

  #holds(rule: PolicyRule, { tool, texts, forms, isOpaque }: Subject): boolean {
    const tools = EDIT_TOOLS.has(tool) ? [tool, 'edit'] : [tool];
    if (rule.tool !== undefined && !tools.some((name) => fits(rule.tool ?? '', name))) return false;
    if (rule.role !== undefined && !fits(rule.role, this.#input.role)) return false;
    if (rule.backend !== undefined && !fits(rule.backend, this.#input.backend)) return false;
    const { pattern } = rule;
    if (pattern === undefined || pattern === '*') return true;
    if (rule.action !== 'allow') return forms.texts.some((text) => fits(pattern, text));
    return texts.some((text) => (isOpaque ? pattern === text : fits(pattern, text)));
  }

  #default(): PolicyVerdict {
    const action = this.#policy.default;
    return { action, rule: 'default', reason: action === 'deny' ? 'No rule allows it.' : null };
  }
}

function verdictOf({ rule, layer }: PlacedRule): PolicyVerdict {
  const pattern = rule.pattern === undefined ? null : JSON.stringify(rule.pattern);
  const who = [rule.role && `for role ${rule.role}`, rule.backend && `on ${rule.backend}`];
  const words = [rule.action, rule.tool ?? '*', pattern, ...who, `(${layer})`].filter(Boolean).join(' ');
  return { action: rule.action, rule: words, reason: rule.reason ?? null };
}

const TOOL_ACTIONS: Readonly<Record<ProfileTool, 'allow' | 'ask' | 'deny'>> = {
  read: 'allow',
  edit: 'ask',
  glob: 'allow',
  grep: 'allow',
  list: 'allow',
  bash: 'ask',
  task: 'allow',
  external_directory: 'ask',
  todowrite: 'allow',
  question: 'allow',
  webfetch: 'ask',
  websearch: 'ask',
  lsp: 'allow',
  doom_loop: 'ask',
  skill: 'allow',
  '*': 'ask',
};

/** What a role's agents may do by themselves. `question` is allowed so that the tool exists: its questions come to the inbox. */
export function profileFor(role: RoleSettings): PermissionProfile {
  const tools = { ...TOOL_ACTIONS, edit: role.isReadOnly ? 'deny' : 'ask' } as const;
  const key = PROFILE_TOOLS.map((tool) => `${tool}=${tools[tool]}`).join(',');
  return { id: createHash('sha256').update(key).digest('hex').slice(0, 12), tools };
}
