import { describe, expect, it } from 'vitest';
import { START, samplePlan, sampleRequest, sampleTask } from '../../test/support/rows.ts';
import type { RequestDetail } from '../contract/shapes.ts';
import { NO_USAGE } from '../contract/usage.ts';
import { plainPaint } from './output.ts';
import { exitCodeOf, planDocument, planLines, quoted, requestDocument, resultLines, usageText } from './result.ts';
import { widthOf } from './text.ts';

const page = { columns: 80, paint: plainPaint };
const failure = (kind: 'denied' | 'timeout' | 'model') => ({ class: kind, message: `it was ${kind}`, resetAt: null });

const done: RequestDetail = {
  request: sampleRequest({
    state: 'done',
    endedAt: START + 41_000,
    result: {
      summary: 'Two files',
      branch: 'gantry/req_000000001',
      commit: 'b'.repeat(40),
      filesChanged: [
        { path: 'hello.py', status: 'added', additions: 3, deletions: 0 },
        { path: 'README.md', status: 'modified', additions: 2, deletions: 1 },
        { path: 'logo.png', status: 'added', additions: null, deletions: null },
      ],
    },
  }),
  tasks: [
    sampleTask(2, { state: 'cancelled', dependsOn: ['tsk_000000001'], cause: 'T1 was cancelled' }),
    sampleTask(1, {
      state: 'done',
      attempts: 1,
      result: {
        summary: 'Written',
        commit: 'c'.repeat(40),
        branch: 'gantry/T1',
        filesChanged: [],
        checks: [
          {
            text: 'It prints hello',
            command: 'python3 hello.py',
            isMet: true,
            exitCode: 0,
            output: 'hello',
            durationMs: 9,
          },
          { text: 'It is short', command: null, isMet: null, exitCode: null, output: '', durationMs: 0 },
          {
            text: 'It is quick',
            command: 'time python3 hello.py',
            isMet: false,
            exitCode: 1,
            output: 'too\nslow\n',
            durationMs: 9,
          },
        ],
      },
    }),
  ],
  attempts: [],
  approvals: [],
  merge: null,
};

describe('a plan', () => {
  it('is a table with the criteria below', () => {
    expect(planLines(samplePlan(), page).join('\n')).toMatchInlineSnapshot(`
      "TASK  TITLE                      AFTER  FILES      BUDGET
      T1    Write hello.py             -      hello.py   small
      T2    Describe it in the README  T1     README.md  medium

      T1 is done when: It prints hello  $ python3 hello.py
      T2 is done when: The README names the script"
    `);
  });

  it('says why no model made it', () => {
    const plan = samplePlan({
      source: 'fallback',
      fallbackReason: 'no_key',
      fallbackDetail: 'OPENAI_API_KEY is not set',
    });
    expect(planLines(plan, page).at(-1)).toBe('No model made this plan (no_key): OPENAI_API_KEY is not set');
    expect(planDocument(sampleRequest({ plan }))).toMatchObject({
      plan: { source: 'fallback', fallbackReason: 'no_key' },
    });
  });

  it('is the reply alone, if the planner only had an answer', () => {
    expect(planLines(samplePlan({ reply: 'Hello.\u001b[2J', tasks: [] }), page)).toEqual(['Hello.']);
  });

  it.each([40, 60])('fits into %i columns', (columns) => {
    for (const line of planLines(samplePlan(), { columns, paint: plainPaint })) {
      expect(widthOf(line)).toBeLessThanOrEqual(columns);
    }
  });
});

describe('a result', () => {
  it('shows tasks with evidence, files, how to take the work over, and what it took', () => {
    expect(resultLines(done, "/home/a b's/demo", START + 50_000, page).join('\n')).toMatchInlineSnapshot(`
      "✓ Create a Python script that prints hello  done

        ✓ T1 Write hello.py
            ✓ It prints hello
              python3 hello.py → exit 0
            ? It is short
              not checked by a command
            ✗ It is quick
              time python3 hello.py → exit 1
              too
              slow
        – T2 Describe it in the README  skipped
            T1 was cancelled

      3 files changed
        A hello.py   +3 -0
        M README.md  +2 -1
        A logo.png   binary

      On branch gantry/req_000000001; your own branch was not touched.
      To read the work: gantry diff req_000000001
      To take the work over: git -C '/home/a b'\\''s/demo' merge gantry/req_000000001

      3,200 tokens in, 410 out · cost unknown · 41s"
    `);
  });

  it('tells of a failure why, and how to go on', () => {
    const detail = {
      ...done,
      request: sampleRequest({ state: 'failed', failure: failure('model'), cause: '1 of 2 tasks failed' }),
      tasks: [sampleTask(1, { state: 'waiting', failure: failure('model'), cause: 'tried 3 times' })],
    };
    expect(resultLines(detail, '/p', START + 9_000, page).join('\n')).toMatchInlineSnapshot(`
      "✗ Create a Python script that prints hello  failed
        it was model

        ! T1 Write hello.py  waiting
            it was model

      3,200 tokens in, 410 out · cost unknown · 9.0s

      Why:    gantry explain req_000000001
      Again:  gantry retry req_000000001"
    `);
  });

  it('has the fields that surface.md promises', () => {
    const document = requestDocument(done, START);
    expect(document).toMatchObject({
      requestId: 'req_000000001',
      state: 'done',
      plan: {
        tasks: [
          { id: 'T1', source: 'model' },
          { id: 'T2', dependsOn: ['T1'] },
        ],
      },
      tasks: [{ id: 'tsk_000000001', label: 'T1', state: 'done' }, { id: 'tsk_000000002' }],
      result: { summary: 'Two files', branch: 'gantry/req_000000001' },
      usage: { inputTokens: 3200, outputTokens: 410, costUsd: null },
      durationMs: 41_000,
    });
  });

  it('never calls an unknown cost free', () => {
    expect(usageText({ ...NO_USAGE, inputTokens: 1200, cacheReadTokens: 34 })).toBe(
      '1,234 tokens in, 0 out · cost unknown',
    );
    expect(usageText({ ...NO_USAGE, costUsd: 0 })).toBe('0 tokens in, 0 out · cost $0.00');
    expect(usageText({ ...NO_USAGE, costUsd: 0.5, pricedBy: 'a list, 2026-01-31' })).toBe(
      '0 tokens in, 0 out · cost $0.50 (prices: a list, 2026-01-31)',
    );
  });

  it.each([
    ['done', null, [], 0],
    ['failed', failure('model'), [], 1],
    ['failed', null, [sampleTask(1, { state: 'failed', failure: failure('denied') })], 3],
    ['cancelled', null, [], 5],
    ['failed', null, [sampleTask(1, { state: 'waiting', failure: failure('timeout') })], 6],
    ['failed', null, [sampleTask(1, { state: 'done', failure: failure('timeout') })], 1],
  ] as const)('%s with %o ends with its exit code', (state, cause, tasks, code) => {
    expect(exitCodeOf(sampleRequest({ state, failure: cause }), tasks)).toBe(code);
  });

  it('quotes paths for a shell only where that is needed', () => {
    expect([quoted('/a/b-c_1.txt'), quoted("a b's")]).toEqual(['/a/b-c_1.txt', "'a b'\\''s'"]);
  });
});
