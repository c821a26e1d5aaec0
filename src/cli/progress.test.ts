import { describe, expect, it } from 'vitest';
import { START, sampleApproval, sampleAttempt, sampleRequest, sampleTask } from '../../test/support/rows.ts';
import { emptyView, type View } from '../contract/fold.ts';
import { plainPaint } from './output.ts';
import {
  isAtStandstill,
  isSettled,
  NOTHING_TOLD,
  newLines,
  progressLines,
  requestView,
  silenceLine,
} from './progress.ts';
import { widthOf } from './text.ts';

const viewOf = (change: (view: View) => void = () => undefined) => {
  const view = emptyView();
  view.requests.set('req_000000001', sampleRequest());
  change(view);
  const found = requestView(view, 'req_000000001');
  if (found === null) throw new Error('the sample has its request');
  return found;
};

const working = (view: View): void => {
  view.tasks.set(
    'tsk_000000001',
    sampleTask(1, { state: 'working', attemptId: 'att_000000001', attempts: 1, usage: { ...sampleRequest().usage } }),
  );
  view.tasks.set('tsk_000000002', sampleTask(2, { state: 'blocked', dependsOn: ['tsk_000000001'] }));
  view.attempts.set('att_000000001', sampleAttempt(1));
  view.live.set('sess_000000001', { text: 'I write\nthe script now.', partId: 'p', tool: null, lastAt: START + 9_000 });
};
const canvas = (columns: number, rows = 24) => ({ columns, rows, paint: plainPaint, hasKeys: true });
const NOW = START + 12_000;

describe('progress on a terminal', () => {
  it('shows each task with its state, time, tokens and last words', () => {
    expect(progressLines(viewOf(working), NOW, canvas(80)).join('\n')).toMatchInlineSnapshot(`
      "⠋ Create a Python script that prints hello  0 of 2 done · 12s · 3.6k tokens
        ⠋ T1 Write hello.py             working · 10s · 3.6k tokens
            I write the script now.
        · T2 Describe it in the README  blocked
            after T1"
    `);
  });

  it('shows a question with its keys and the commands that answer it', () => {
    const view = viewOf((v) => {
      working(v);
      v.live.set('sess_000000001', { text: '', partId: null, tool: 'python3 hello.py', lastAt: START + 9_000 });
      v.approvals.set('apr_000000001', sampleApproval());
    });
    expect(progressLines(view, NOW, canvas(80)).join('\n')).toMatchInlineSnapshot(`
      "⠋ Create a Python script that prints hello  0 of 2 done · 12s · 3.6k tokens
        ⠋ T1 Write hello.py             working · 10s · 3.6k tokens
            python3 hello.py
        · T2 Describe it in the README  blocked
            after T1
      ? T1 wants to use bash: python3 hello.py
        [o] once  [s] this session  [d] deny
        or: gantry approve apr_000000001   or   gantry deny apr_000000001"
    `);
  });

  it.each([20, 40, 60, 100])('never writes a line of more than %i columns', (columns) => {
    const view = viewOf((v) => {
      working(v);
      v.approvals.set('apr_000000001', sampleApproval());
      v.requests.set('req_000000001', sampleRequest({ text: '日本語のとても長い依頼文です。'.repeat(9) }));
    });
    for (const line of progressLines(view, NOW, canvas(columns))) expect(widthOf(line)).toBeLessThanOrEqual(columns);
  });

  it('never has more lines than the terminal has rows', () => {
    const view = viewOf((v) => {
      for (let n = 1; n <= 9; n += 1) v.tasks.set(`tsk_00000000${n}`, sampleTask(n));
    });
    const lines = progressLines(view, NOW, canvas(40, 6));
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toBe('… 5 more tasks');
  });

  it('lets no escape sequence of an agent through', () => {
    const view = viewOf((v) => {
      working(v);
      v.live.set('sess_000000001', { text: 'a\u001b]0;title\u0007\u001b[2Jb', partId: 'p', tool: null, lastAt: START });
    });
    expect(progressLines(view, NOW, canvas(80)).join('')).not.toContain('\u001b');
  });
});

describe('progress in plain lines', () => {
  it('tells each change once', () => {
    const first = newLines(viewOf(working), NOTHING_TOLD, NOW);
    expect(first.lines).toEqual([
      'req_000000001 running',
      'T1 working: Write hello.py',
      'T2 blocked: Describe it in the README',
    ]);
    expect(newLines(viewOf(working), first.told, NOW).lines).toEqual([]);
    const done = viewOf((v) => {
      working(v);
      v.tasks.set(
        'tsk_000000001',
        sampleTask(1, { state: 'done', attemptId: 'att_000000001', attempts: 1, endedAt: START + 8_000 }),
      );
      v.approvals.set('apr_000000001', sampleApproval());
    });
    expect(newLines(done, first.told, NOW).lines).toEqual([
      'T1 done in 6.0s: Write hello.py',
      'T1 asks: bash: python3 hello.py',
      '  gantry approve apr_000000001   or   gantry deny apr_000000001',
    ]);
  });

  it('says in a silence how long it has been and what was seen last', () => {
    expect(silenceLine(viewOf(working), NOW)).toBe('12s T1 working, last activity 3.0s ago (I write the script now.)');
    expect(silenceLine(viewOf(), NOW)).toBe('12s running');
  });
});

describe('the end of watching', () => {
  it('comes when a task waits for a person and nothing else can move', () => {
    const view = viewOf((v) => {
      v.tasks.set('tsk_000000001', sampleTask(1, { state: 'waiting' }));
      v.tasks.set('tsk_000000002', sampleTask(2, { state: 'blocked', dependsOn: ['tsk_000000001'] }));
    });
    expect([isAtStandstill(view), isSettled(view)]).toEqual([true, true]);
    const other = viewOf((v) => {
      v.tasks.set('tsk_000000001', sampleTask(1, { state: 'waiting' }));
      v.tasks.set('tsk_000000002', sampleTask(2, { state: 'working' }));
    });
    expect(isSettled(other)).toBe(false);
  });
});
