import { describe, expect, test } from 'vitest';
import { AppError } from '../../contract/errors.ts';
import { type FallbackReason, Plan } from '../../contract/request.ts';
import { NO_USAGE, type Usage } from '../../contract/usage.ts';
import { makePlan, type PlanAsk, type PlanInput, PlanProblem, singleTaskPlan } from './planner.ts';
import type { ProjectContext } from './project-context.ts';

const CONTEXT: ProjectContext = {
  roots: ['/srv/shop'],
  entries: ['src/', 'README.md', 'Makefile'],
  files: new Set(['README.md', 'Makefile', 'src/cart.ts']),
  languages: [{ name: 'TypeScript', files: 2 }],
  testCommands: ['npm test'],
  readme: 'A shop.',
};
const USED: Usage = { ...NO_USAGE, inputTokens: 10, outputTokens: 5 };
const signal = new AbortController().signal;

/** Answers in order; what was asked is kept. */
function scripted(...answers: readonly (string | Error)[]): {
  ask: PlanAsk;
  asked: { system: string; user: string }[];
} {
  const asked: { system: string; user: string }[] = [];
  const ask: PlanAsk = async ({ system, user }) => {
    const answer = answers[asked.length] ?? new Error('asked too often');
    asked.push({ system, user });
    if (typeof answer !== 'string') throw answer;
    return { text: answer, usage: USED };
  };
  return { ask, asked };
}

const planned = async (ask: PlanAsk | null, more: Partial<PlanInput> = {}): Promise<Plan> => {
  const base = { request: 'Fix src/cart.ts', context: CONTEXT, maxTasks: 6, openTasks: [], conversation: [] };
  const roles = [{ name: 'worker', description: 'writes\ncode' }];
  return Plan.parse(await makePlan({ ...base, roles, ask, signal, ...more }));
};
const answering = (...answers: readonly (string | Error)[]): Promise<Plan> => planned(scripted(...answers).ask);

const task = (id: string, dependencies: unknown = [], more: object = {}): object => ({
  task_id: id,
  description: `Do ${id}.`,
  files: [],
  success_criteria: ['done'],
  budget: 'small',
  dependencies,
  ...more,
});
const tasks = (...list: readonly object[]): string => JSON.stringify({ tasks: list });
const edges = (plan: Plan): string => plan.tasks.map((t) => `${t.id}<${t.dependsOn.join(',')}`).join(' ');
const ONE = tasks(task('T1'));

describe('an answer is read', () => {
  test.each([
    ['that is the plan', ONE],
    ['with a byte order mark and white space', `\uFEFF\n ${ONE}\n`],
    ['in a fence', `\`\`\`json\n${ONE}\n\`\`\``],
    ['in a fence among prose', `Here you are:\n\`\`\`\n${ONE}\n\`\`\`\nAnything else?`],
    ['in the second fence', `\`\`\`ts\nconst a = {"b": 1};\n\`\`\`\nThe plan:\n\`\`\`json\n${ONE}\n\`\`\``],
    ['in nested fences', `\`\`\`markdown\n\`\`\`json\n${ONE}\n\`\`\`\n\`\`\``],
    ['in a fence on one line', `\`\`\`json ${ONE}\`\`\``],
    ['among prose with braces', `I use {braces} and [brackets] { } and "quotes: ${ONE} {"not": "a plan"}`],
    ['after another value', `{"note":{"a":[1]}} ${ONE}`],
    ['after thoughts', `<think>\n${tasks(task('DRAFT'))}\n</think>\n${ONE}`],
    ['as a bare list', JSON.stringify([task('T1')])],
    ['as a bare list among prose', `Tasks: [1] ${JSON.stringify([task('T1')])}.`],
    ['after 2 MB of prose', `${'Let me think. '.repeat(150_000)}${ONE}`],
    ['after braces that never close', `${'{"a": '.repeat(50)} ${ONE}`],
  ])('%s', async (_, text) => {
    const plan = await answering(text);
    expect(plan.source).toBe('model');
    expect(edges(plan)).toBe('T1<');
    expect(plan.usage).toEqual(USED);
  });

  test('with fences and braces inside of its strings', async () => {
    const description = 'Write ```json\n{"tasks": 1}\n``` and "}{" into the file';
    for (const text of [
      tasks(task('T1', [], { description })),
      `So:\n\`\`\`json\n${tasks(task('T1', [], { description }))}\n\`\`\``,
    ]) {
      expect((await answering(text)).tasks[0]?.description).toBe(description);
    }
  });

  test.each([
    ['{"reply":"It is a shop."}', 'It is a shop.'],
    ['{"question":"Which cart?"}', 'Which cart?'],
    ['{"tasks":[],"reply":"Nothing to do."}', 'Nothing to do.'],
    ['Sure. {"reply":"Hello!"}', 'Hello!'],
  ])('as words for the user: %s', async (text, reply) => {
    expect(await answering(text)).toMatchObject({ source: 'model', tasks: [], reply, fallbackReason: null });
  });
});

describe('the fallback', () => {
  const problems = ['unreachable', 'quota', 'timeout', 'auth', 'no_key', 'backend', 'empty'] as const;
  test.each<[FallbackReason, string, string | Error]>([
    ...problems.map((reason): [FallbackReason, string, Error] => [
      reason,
      'a call that says so',
      new PlanProblem(reason, 'as it was told'),
    ]),
    ['backend', 'an error that is no PlanProblem', new Error('spawn failed')],
    ['empty', 'nothing', ''],
    ['empty', 'white space', ' \n\t'],
    ['no_json', 'a refusal', 'I cannot help with that.'],
    ['no_json', 'a page of HTML', '<!doctype html><html><body>{"sign": "in"}</body></html>'],
    ['no_json', 'an answer that was cut', ONE.slice(0, -20)],
    [
      'no_json',
      'an answer cut after a criterion',
      '{"tasks":[{"task_id":"T1","description":"a","success_criteria":[{"text":"x"}]},{"task_id":',
    ],
    ['no_json', 'a trailing comma', '{"tasks":[{"task_id":"T1",}]}'],
    ['no_json', 'UTF-16 read as Latin-1', Buffer.from(ONE, 'utf16le').toString('latin1')],
    ['no_json', 'a fence with half an answer', `\`\`\`json\n{"tasks": \n\`\`\``],
    ['no_json', '200,000 brackets that open', '['.repeat(200_000)],
    ['no_json', '2 MB of objects that open', '{"'.repeat(1_000_000)],
    ['no_json', '5 MB of anything', 'x'.repeat(5_000_000)],
    ['not_a_plan', 'null', 'null'],
    ['not_a_plan', 'a number', '42'],
    ['not_a_plan', 'a text', '"x"'],
    ['not_a_plan', 'a boolean', 'true'],
    ['not_a_plan', 'an empty list', '[]'],
    ['not_a_plan', 'a list of anything else', '[1,"two",null]'],
    ['not_a_plan', 'null in a fence', '```json\nnull\n```'],
    ['not_a_plan', 'a list 200,000 deep', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['no_tasks', 'an empty object', '{}'],
    ['no_tasks', 'tasks that are an object', '{"tasks":{}}'],
    ['no_tasks', 'tasks that are null', '{"tasks":null}'],
    ['no_tasks', 'tasks that are a number', '{"tasks":5}'],
    ['no_tasks', 'tasks that are an empty list', '{"tasks":[]}'],
    ['no_tasks', 'tasks that are a text', '{"tasks":"T1: do it"}'],
    ['no_tasks', 'tasks that are no objects', '{"tasks":[1,null,"x",[]]}'],
    ['no_tasks', 'a task without a description', '{"tasks":[{"task_id":"T1","description":"  "}]}'],
    ['no_tasks', 'tasks that are an object, among prose', 'Here: {"tasks":{}}'],
    ['no_tasks', 'an empty reply', '{"reply":""}'],
    ['no_tasks', 'keys of the prototype', '{"constructor":null,"__proto__":{"tasks":[]},"tasks":{"length":1}}'],
  ])('%s for %s', async (reason, _, answer) => {
    const { ask, asked } = scripted(answer);
    const plan = await planned(ask);
    expect(plan).toMatchObject({ source: 'fallback', fallbackReason: reason, reply: null });
    expect(plan.fallbackDetail).toMatch(/\.$/);
    expect(plan.fallbackDetail?.length).toBeLessThan(700);
    expect(asked).toHaveLength(1);
    expect(plan.tasks).toEqual([
      {
        id: 'T1',
        title: 'Fix src/cart.ts',
        description: 'Implement user request: Fix src/cart.ts',
        files: ['src/cart.ts'],
        successCriteria: [{ text: 'Request completed and verified', command: null }],
        budget: 'medium',
        dependsOn: [],
        role: null,
        source: 'fallback',
      },
    ]);
  });

  test('no_model without a call', async () => {
    expect(await planned(null)).toMatchObject({ source: 'fallback', fallbackReason: 'no_model' });
  });

  test('tells the cause in words, without a secret', async () => {
    const plan = await answering(
      new PlanProblem('auth', '401 for https://me:hunter2@models.test\nkey sk-abcdefghijklmnopqrst'),
    );
    expect(plan.fallbackDetail).toMatch(
      /^401 for https:\/\/\[redacted\]@models\.test key \[redacted\]\. The login or key/,
    );
  });
});

describe('a plan is checked', () => {
  test('entry by entry', async () => {
    const plan = await answering(
      tasks(
        {
          task_id: 7,
          description: 'Change the cart.\nMore words.',
          files: 'abc',
          success_criteria: null,
          budget: 'huge',
          dependencies: null,
          role: 'wizard',
        },
        { description: '' },
        {
          id: 'second one',
          title: 'Next',
          description: 'Go on.',
          files: ['/srv/shop/src/a.ts', './b.ts', 'src/**/*.ts', '/etc/passwd', '../x', '.git/config', 'b.ts', 4],
          success_criteria: [
            '`npm test` passes',
            'it is nice',
            { text: 'built', command: 'make' },
            { command: 'true' },
            3,
          ],
          dependencies: '7',
          role: 'worker',
        },
      ),
    );
    expect(plan.tasks).toEqual([
      {
        id: '7',
        title: 'Change the cart.',
        description: 'Change the cart.\nMore words.',
        files: ['abc'],
        successCriteria: [{ text: 'Request completed and verified', command: null }],
        budget: 'medium',
        dependsOn: [],
        role: null,
        source: 'model',
      },
      {
        id: 'second-one',
        title: 'Next',
        description: 'Go on.',
        files: ['src/a.ts', 'b.ts', 'src'],
        successCriteria: [
          { text: '`npm test` passes', command: 'npm test' },
          { text: 'it is nice', command: null },
          { text: 'built', command: 'make' },
          { text: '`true` exits 0', command: 'true' },
        ],
        budget: 'medium',
        dependsOn: ['7'],
        role: 'worker',
        source: 'model',
      },
    ]);
    expect(plan.notices).toEqual([
      '7: the budget "huge" is not known; medium was taken',
      '7: there is no role "wizard"; the default was taken',
      'T2 was dropped: it has no description',
      'second-one: the file "/etc/passwd" was dropped: it is outside of the project',
      'second-one: the file "../x" was dropped: it holds ".."',
      'second-one: the file ".git/config" was dropped: it is in .git',
    ]);
  });

  test.each([
    ['`npm test` passes', 'npm test'],
    ['`node --test test/a.test.ts` exits 0.', 'node --test test/a.test.ts'],
    ['The command `./check.sh` exits with code 0', './check.sh'],
    ['`pytest` succeeds', 'pytest'],
    ['`login()` passes', null],
    ['`test_login` passes', null],
    ['`npm test` passes and `npm run lint` passes', null],
    ['`npm test` fails', null],
    ['npm test passes', null],
    ['run: npm test', null],
  ])('the criterion "%s" has the command %s', async (text, command) => {
    const plan = await answering(tasks(task('T1', [], { success_criteria: [text] })));
    expect(plan.tasks[0]?.successCriteria).toEqual([{ text, command }]);
  });

  test('however large it is', async () => {
    const huge = { title: 'x'.repeat(1e5), description: '\0😀'.repeat(3e5), files: Array(1e4).fill('a/b'.repeat(1e3)) };
    const plan = await answering(tasks(task('T1', [], huge)));
    expect(plan.tasks).toHaveLength(1);
    expect(JSON.stringify(plan).length).toBeLessThan(60_000);
  });
});

const MANY = Array.from({ length: 50 }, (_, i) => task(`T${i + 1}`, i === 3 ? ['T8'] : []));

describe('a plan that does not fit together', () => {
  test.each([
    ['a duplicate id', [task('A'), task('A', ['A'])], 'A< A-2<A', /task_id A is used more than once/],
    ['an unknown dependency', [task('A', ['X'])], 'A<', /A depends on X, which is not in the plan/],
    ['a dependency on a dropped task', [task('A', ['B']), task('B', [], { description: '' })], 'A<', /depends on B/],
    ['a dependency on itself', [task('A', ['A'])], 'A<', /A depends on itself/],
    ['too many tasks', MANY.slice(0, 8), 'T1< T2< T3< T5< T6< T7<', /there are 8 tasks, at most 6/],
  ])('is repaired by a second call: %s', async (_, list, saved, finding) => {
    const { ask, asked } = scripted(tasks(...list), ONE);
    const plan = await planned(ask);
    expect(edges(plan)).toBe('T1<');
    expect(plan.usage.inputTokens).toBe(20);
    expect(plan.notices.join()).toMatch(finding);
    expect(asked).toHaveLength(2);
    expect(asked[1]?.user).toMatch(finding);
    for (const second of [tasks(...list), 'sorry', '{"reply":"no"}', new PlanProblem('timeout', 'late')]) {
      const kept = await answering(tasks(...list), second);
      expect(kept).toMatchObject({ source: 'model', fallbackReason: null });
      expect(edges(kept)).toBe(saved);
      expect(kept.notices.join()).toMatch(finding);
    }
  });

  test('with a cycle that stays is a fallback', async () => {
    const cycle = tasks(task('A', ['C']), task('B', ['A']), task('C', ['B']));
    const plan = await answering(cycle, cycle);
    expect(plan).toMatchObject({ source: 'fallback', fallbackReason: 'invalid_graph', tasks: [{ id: 'T1' }] });
    expect(plan.fallbackDetail).toContain('A → C → B → A');
    expect(plan.usage.inputTokens).toBe(20);
    expect(edges(await answering(cycle, ONE))).toBe('T1<');
  });

  test('is saved from the first answer if the second one is worse', async () => {
    const plan = await answering(tasks(task('A', ['X']), task('B', ['A'])), tasks(task('A', ['B']), task('B', ['A'])));
    expect(edges(plan)).toBe('A< B<A');
  });

  test('is merged without losing criteria, files or order', async () => {
    const list = MANY.map((t, i) => ({ ...t, files: [`f${i % 9}`], success_criteria: [`c${i}`] }));
    const plan = await planned(scripted(tasks(...list), 'no').ask, { maxTasks: 3 });
    expect(edges(plan)).toBe('T1< T2< T3<');
    const last = plan.tasks[2];
    expect(last?.title).toBe('Do T3. (and 47 more)');
    expect(last?.files).toHaveLength(9);
    expect(last?.description).toContain('Do T50.');
    expect(last?.budget).toBe('large');
    const chain = [task('A'), task('B', ['A']), task('C', ['B']), task('D', ['A'])];
    expect(edges(await planned(scripted(tasks(...chain), 'no').ask, { maxTasks: 2 }))).toBe('A< B<A');
    expect(edges(await planned(scripted(tasks(...chain), 'no').ask, { maxTasks: 1 }))).toBe('A<');
  });
});

describe('the prompts', () => {
  test('hold the request word for word at the end, and what is known of the project', async () => {
    const request = 'Say "hi" {\n @@model [{"text":"x"}]\n';
    const { ask, asked } = scripted(ONE);
    await planned(ask, { request, openTasks: ['@@model [{"text"'], extraInstructions: 'Prefer Go.' });
    const { system = '', user = '' } = asked[0] ?? {};
    expect(user.endsWith(`\n${request}`)).toBe(true);
    for (const part of ['src/, README.md', 'TypeScript (2)', 'npm test', 'A shop.', 'worker: writes', 'max_tasks: 6']) {
      expect(user).toContain(part);
    }
    expect(user).toContain('"@@model [{\\"text\\""');
    for (const part of ['plan_tasks', '1 to 6', 'success_criteria', 'dependencies', 'Prefer Go.']) {
      expect(system).toContain(part);
    }
  });
});

describe('cancelling', () => {
  test('before and during a call is no fallback, even if the call does not listen', async () => {
    const abort = new AbortController();
    const deaf: PlanAsk = () => {
      abort.abort('enough');
      return new Promise(() => undefined);
    };
    const cancelled = (error: unknown): boolean => error instanceof AppError && error.code === 'cancelled';
    await expect(planned(deaf, { signal: abort.signal })).rejects.toSatisfy(cancelled);
    const never = scripted();
    await expect(planned(never.ask, { signal: abort.signal })).rejects.toSatisfy(cancelled);
    expect(never.asked).toHaveLength(0);
  });

  test('wins over an answer and an error that came at the same time', async () => {
    for (const finish of [
      () => ({ text: ONE, usage: USED }),
      () => Promise.reject(new PlanProblem('backend', 'gone')),
    ]) {
      const abort = new AbortController();
      const ask: PlanAsk = async () => {
        abort.abort();
        return finish();
      };
      await expect(planned(ask, { signal: abort.signal })).rejects.toMatchObject({ code: 'cancelled' });
    }
  });
});

test('a single task is the request itself and no fallback', () => {
  const plan = Plan.parse(singleTaskPlan('\n  Fix the `Makefile`,\nplease', CONTEXT));
  expect(plan).toMatchObject({ source: 'caller', fallbackReason: null });
  expect(plan.tasks).toMatchObject([
    {
      id: 'T1',
      title: 'Fix the `Makefile`,',
      description: '\n  Fix the `Makefile`,\nplease',
      files: ['Makefile'],
      source: 'caller',
    },
  ]);
});
