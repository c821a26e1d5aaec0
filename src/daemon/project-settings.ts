import type { PolicyRule } from '../contract/approval.ts';
import { Isolation } from '../contract/isolation.ts';
import { PLUGIN_MODES } from '../contract/plugin.ts';
import { type KeyPath, pathText } from './config-keys.ts';
import type { Leaf } from './config-layers.ts';

/**
 * What a project's file may set. A repository must not grant itself rights, spend the user's money or run commands, so
 * an untrusted one may only make things stricter:
 * `free` any value; `trusted` only if the user trusts the project; `lower` at most the value that holds without it
 * (`cap` names the key to compare with, if it is another one); `on` only true; `strict` a default that asks or denies
 * more; `less` a plugin mode that does less; `rule` deny and ask rules; `subset` of the list that holds without it.
 * A key that is not listed holds for the whole daemon: it belongs in the user's file.
 */
type Right =
  | { readonly type: 'free' | 'trusted' | 'on' | 'strict' | 'less' | 'rule' | 'subset' }
  | { readonly type: 'lower'; readonly cap?: string };

const free: Right = { type: 'free' };
const trusted: Right = { type: 'trusted' };
const lower: Right = { type: 'lower' };

const RIGHTS: Readonly<Record<string, Right>> = {
  defaultBackend: free,
  defaultRole: free,
  'backends.*.model': free,
  'roles.*': free,
  'roles.*.backend': free,
  'roles.*.model': free,
  'roles.*.prompt': free,
  'roles.*.isReadOnly': { type: 'on' },
  'roles.*.env': trusted,
  'roles.*.may': trusted,
  'roles.*.instances': free,
  'roles.*.idleClose': trusted,
  'roles.*.maxSessions': trusted,
  'roles.*.warm': trusted,
  // Another vendor gets the words and the money.
  'roles.*.fallback.mode': trusted,
  'roles.*.fallback.chain': trusted,
  'roles.*.maxAttempts': { type: 'lower', cap: 'limits.maxAttempts' },
  'roles.*.timeout': { type: 'lower', cap: 'limits.taskTimeout' },
  'roles.*.taskUsd': { type: 'lower', cap: 'limits.taskUsd' },
  'roles.*.budget.usd': trusted,
  'roles.*.budget.tokens': trusted,
  'roles.*.budget.time': trusted,
  'roles.*.budget.attempts': trusted,
  'budgets.*.*': lower,
  'planner.model': free,
  'planner.temperature': free,
  'planner.isOff': free,
  'planner.maxTasks': lower,
  'planner.timeout': lower,
  'planner.maxAttempts': lower,
  'planner.budgetUsd': lower,
  // They decide where the user's key and words go, and which file is sent along.
  'planner.endpoint': trusted,
  'planner.credential': trusted,
  'planner.promptFile': trusted,
  isolation: { type: 'strict' },
  'roles.*.isolation': { type: 'strict' },
  'policy.default': { type: 'strict' },
  'policy.rules.*': { type: 'rule' },
  'limits.*': lower,
  // They say which commands run, and where work is pushed to.
  'merge.isAuto': trusted,
  'merge.target': trusted,
  'merge.remote': trusted,
  'merge.strategy': free,
  'merge.gates.*': trusted,
  'merge.maxBatch': lower,
  'merge.batchWait': lower,
  'merge.maxRetries': lower,
  'merge.approvals': trusted,
  'merge.reviewRole': trusted,
  'merge.reviewers': trusted,
  'merge.reviewTimeout': lower,
  'setup.command': trusted,
  'setup.timeout': trusted,
  'models.deny.*': free,
  'models.allowOnly': { type: 'subset' },
  'plugin.mode': { type: 'less' },
};

/** Values that are stricter than others come later; a key that nobody has set is the least strict. */
const STRICTNESS: readonly string[] = ['allow', 'ask', 'deny', ...Isolation.options];
const MODES: readonly string[] = PLUGIN_MODES;

const CAUSE: Readonly<Record<Right['type'] | 'user', string>> = {
  free: '',
  user: "holds for the whole daemon and belongs in the user's file",
  trusted: 'needs a trusted project',
  lower: 'may only be lowered by a project that is not trusted',
  on: 'may only be set to true by a project that is not trusted',
  strict: 'may only be made stricter by a project that is not trusted',
  less: 'may only be made to do less by a project that is not trusted',
  rule: 'an allow rule needs a trusted project',
  subset: 'may only be narrowed by a project that is not trusted',
};

/** Splits a project's values into those that hold and notices about those that do not. `below` holds without it. */
export function applyRights(
  project: readonly Leaf[],
  below: readonly Leaf[],
  isTrusted: boolean,
): { readonly kept: readonly Leaf[]; readonly notices: readonly string[] } {
  const valueBelow = (key: string): unknown => below.find((leaf) => pathText(leaf.path) === key)?.value;
  const kept: Leaf[] = [];
  const notices: string[] = [];
  for (const leaf of project) {
    const right = rightOf(leaf.path);
    const isHeld = right !== null && (isTrusted || holds(right, leaf, valueBelow));
    if (isHeld) kept.push(leaf);
    else notices.push(`${leaf.source}: ${pathText(leaf.path)} is ignored: it ${CAUSE[right?.type ?? 'user']}`);
  }
  return { kept, notices };
}

function rightOf(path: KeyPath): Right | null {
  const pattern = path.map((part, i) => (i === 1 && isNamed(path) ? '*' : typeof part === 'number' ? '*' : part));
  return RIGHTS[pattern.join('.')] ?? null;
}

const isNamed = ([first]: KeyPath): boolean => first === 'backends' || first === 'roles' || first === 'limits';

function holds(right: Right, { path, value }: Leaf, valueBelow: (key: string) => unknown): boolean {
  const key = pathText(path);
  switch (right.type) {
    case 'free':
      return true;
    case 'trusted':
      return false;
    case 'lower': {
      const cap = valueBelow(key) ?? (right.cap === undefined ? undefined : valueBelow(right.cap));
      return typeof cap !== 'number' || (typeof value === 'number' && value <= cap);
    }
    case 'on':
      return value === true || valueBelow(key) === value;
    case 'strict':
      return STRICTNESS.indexOf(String(value)) >= STRICTNESS.indexOf(String(valueBelow(key)));
    case 'less':
      return MODES.indexOf(String(value)) <= MODES.indexOf(String(valueBelow(key)));
    case 'rule':
      return (value as PolicyRule).action !== 'allow';
    case 'subset': {
      const list = valueBelow(key);
      return !Array.isArray(list) || (value as readonly string[]).every((item) => list.includes(item));
    }
    default:
      return right satisfies never;
  }
}
