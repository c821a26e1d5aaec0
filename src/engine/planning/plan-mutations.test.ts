import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Plan } from '../../contract/request.ts';
import { NO_USAGE } from '../../contract/usage.ts';
import { inDependencyOrder } from './plan-graph.ts';
import { makePlan, type PlanAsk } from './planner.ts';
import type { ProjectContext } from './project-context.ts';

const CONTEXT: ProjectContext = {
  roots: ['/p'],
  entries: [],
  files: new Set(),
  languages: [],
  testCommands: [],
  readme: null,
};
const signal = new AbortController().signal;

const label = fc.constantFrom('T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7');
const validTask = fc.record({
  task_id: label,
  description: fc.string({ minLength: 1 }),
  files: fc.array(fc.constantFrom('a.ts', 'src/b.ts', '/p/c', '../d', '/etc/x', '.git/hooks/e', 'src/*.ts', '')),
  success_criteria: fc.array(fc.oneof(fc.string(), fc.record({ text: fc.string(), command: fc.string() }))),
  budget: fc.constantFrom('small', 'medium', 'large'),
  dependencies: fc.array(label, { maxLength: 3 }),
  role: fc.constantFrom('worker', 'nobody'),
});
const validPlan = fc.record({ tasks: fc.array(validTask, { minLength: 1, maxLength: 10 }) });

/** Changes one place somewhere in a value: another value, a lost key, a doubled item. */
function changed(value: unknown, path: readonly number[], with_: unknown): unknown {
  const [step = 0, ...rest] = path;
  if (typeof value !== 'object' || value === null || path.length === 0) return with_;
  if (Array.isArray(value)) {
    const at = step % (value.length + 1);
    if (step % 3 === 0) return [...value.slice(0, at), value[at], ...value.slice(at)];
    return value.map((item, i) => (i === at ? changed(item, rest, with_) : item));
  }
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  const entries = Object.entries(value).filter(([k]) => !(k === key && step % 5 === 0));
  return Object.fromEntries(entries.map(([k, v]) => [k, k === key ? changed(v, rest, with_) : v]));
}

const place = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 });
const anything = fc.oneof(fc.jsonValue(), fc.constantFrom(null, 0, '', [], {}, 'x'.repeat(30_000)), label);
const mutatedValue = fc
  .tuple(validPlan, fc.array(fc.tuple(place, anything), { maxLength: 4 }))
  .map(([plan, changes]) =>
    JSON.stringify(changes.reduce<unknown>((v, [path, w]) => changed(v, path, w), plan) ?? null),
  );
/** Cuts, overwrites and repeats parts of the text itself. */
const mutatedText = fc
  .tuple(
    mutatedValue,
    fc.array(
      fc.tuple(fc.nat(), fc.nat(30), fc.oneof(fc.string(), fc.constantFrom('```', '"', '{', '[', '}', ']', '\\', ','))),
      { maxLength: 3 },
    ),
    fc.string(),
  )
  .map(([text, edits, prose]) =>
    edits.reduce(
      (t, [at, length, w]) => `${t.slice(0, at % (t.length + 1))}${w}${t.slice((at % (t.length + 1)) + length)}`,
      `${prose}${text}`,
    ),
  );
const answer = fc.oneof(mutatedValue, mutatedText);

test('10,000 mutations of valid plans: never a throw, always a valid plan', async () => {
  const seen = { model: 0, fallback: 0, merged: 0 };
  await fc.assert(
    fc.asyncProperty(answer, answer, fc.integer({ min: 1, max: 20 }), async (first, second, maxTasks) => {
      const answers = [first, second];
      const ask: PlanAsk = async () => ({ text: answers.shift() ?? expect.fail('a third call'), usage: NO_USAGE });
      const input = {
        request: 'Do it',
        context: CONTEXT,
        maxTasks,
        roles: [{ name: 'worker', description: '' }],
        openTasks: [],
        conversation: [],
      };
      const plan = Plan.parse(await makePlan({ ...input, ask, signal }));
      expect(plan.tasks.length).toBeLessThanOrEqual(maxTasks);
      expect(plan.tasks.length > 0).toBe(plan.reply === null);
      expect(plan.source === 'fallback').toBe(plan.fallbackReason !== null);
      expect(new Set(plan.tasks.map((t) => t.id)).size).toBe(plan.tasks.length);
      // An order exists only if every dependency is known and no cycle is left.
      expect(inDependencyOrder(plan.tasks)).not.toBeNull();
      for (const { files, successCriteria, role } of plan.tasks) {
        expect(successCriteria.length).toBeGreaterThan(0);
        expect([null, 'worker']).toContain(role);
        for (const file of files) expect(file).not.toMatch(/^\/|^$|(^|\/)(\.\.|\.git)(\/|$)/);
      }
      if (plan.source === 'caller') expect.fail('the caller gave no plan');
      seen[plan.source] += 1;
      seen.merged += plan.tasks.some((t) => t.title.endsWith('more)')) ? 1 : 0;
    }),
    { numRuns: 10_000 },
  );
  // The mutations reach every way through the planner.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});
