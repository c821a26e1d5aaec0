import { describe, expect, it } from 'vitest';
import { branches, done, type MergeBench, mergeBench, mergeIn, person, writing } from '../../../test/support/merges.ts';
import type { Settings } from '../settings.ts';
import { readVerdict } from './merge-panel.ts';

/** Reviewers who play these steps, whatever they are to judge. */
const panel = (...steps: readonly object[]): Settings['roles'] => ({
  reviewer: { isReadOnly: true, prompt: `You judge. @@fake ${JSON.stringify(steps)}` },
});
const says = (verdict: string, text = '') => ({ text: `Here it is: ${JSON.stringify({ verdict, text })}` });
const asked = { approvals: 2, reviewRole: 'reviewer' };
const idle = (test: MergeBench) =>
  test.until(
    'that all agents are free',
    () =>
      test.store.read.agents.list({}).every(({ state }) => state === 'idle') &&
      test.store.read.requests.list({ state: 'running' }).length === 0,
  );
describe('the review by agents', () => {
  it('asks agents, who see what was asked and can only read, and records their verdicts with their names', async () => {
    await using test = await mergeBench(asked, {
      roles: panel({ write: { path: 'mine.txt', content: 'x' } }, says('approve', 'good')),
    });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    const merge = await mergeIn(test, request.id, 'merged');
    expect(merge.reviews.map(({ by, verdict, text }) => [by, verdict, text]).toSorted()).toEqual([
      ['project/reviewer/reviewer-1', 'approve', 'good'],
      ['project/reviewer/reviewer-2', 'approve', 'good'],
    ]);
    await idle(test);
    expect(test.store.read.requests.need(merge.reviewId ?? 'req_')).toMatchObject({ state: 'done' });
    expect(await branches(test)).not.toContain(request.branch);
    expect(await test.repo.git(['ls-tree', '--name-only', 'main'])).not.toContain('mine.txt');
    const prompts = (await test.agentLog()).filter(({ kind, text }) => kind === 'prompt' && text?.includes('verdict'));
    expect(prompts).toHaveLength(2);
    expect(prompts[0]?.text).toContain(`git diff ${request.baseCommit} ${request.result?.commit}`);
  });

  it('takes a silent reviewer for changes at the limit, frees it, and asks it alone when tried again', async () => {
    const rules = { ...asked, reviewers: 1, reviewTimeout: 1_000 };
    await using test = await mergeBench(rules, { roles: panel({ once: 'silent', hold: 'speak' }, says('approve')) });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id } = await test.engine.merges.add({ requestId: request.id }, person);
    test.engine.merges.review({ id, verdict: 'approve', text: '' }, person);
    const merge = await mergeIn(test, request.id, 'rejected');
    expect(merge).toMatchObject({ cause: '1 of 2 approvals came in time: no answer counts as changes' });
    expect(await test.repo.git(['rev-list', '--count', 'main'])).toBe('1');
    await idle(test);
    await test.engine.merges.retry(id, person);
    const { reviewId } = await test.until('a new panel', () => {
      const row = test.store.read.merges.need(id);
      return row.reviewId !== null && row;
    });
    expect(reviewId).not.toBe(merge.reviewId);
    expect(test.store.read.tasks.list({ requestId: reviewId ?? 'req_' })).toHaveLength(1);
    await idle(test);
  });

  it('takes an answer without a verdict for changes, and lets the other reviewer go', async () => {
    const silent = { once: 'silent', hold: 'never' };
    await using test = await mergeBench(asked, {
      roles: panel(silent, { text: 'Looks good to me {"verdict":"yes"}' }),
    });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    const { reviews } = await mergeIn(test, request.id, 'rejected');
    expect(reviews).toMatchObject([{ verdict: 'changes', text: expect.stringContaining('Looks good to me') }]);
    await idle(test);
  });

  it('keeps its reviewers over a restart, and asks nobody twice', async () => {
    await using test = await mergeBench(asked, { roles: panel({ hold: 'speak' }, says('approve')) });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    await test.until('two at work', () => test.store.read.tasks.list({ state: 'working' }).length === 2);
    await test.restart();
    await test.release('speak');
    expect((await mergeIn(test, request.id, 'merged')).reviews).toHaveLength(2);
    expect(test.store.read.requests.list({})).toHaveLength(2);
  });
});

describe('a verdict in an answer', () => {
  const yes = { verdict: 'approve', text: '' };
  it.each([
    ['{"verdict":"approve"}', yes],
    ['Well {"a":1}.\n```json\n{"verdict":"approve","text":""}\n```', yes],
    ['{"verdict":"approve","text":"{}"} {"verdict":"changes","text":"no {x}"}', { verdict: 'changes', text: 'no {x}' }],
    ['{"verdict":"approve","more":{"verdict":"maybe"}}', yes],
    ['I approve', null],
    ['{"verdict":"approved"}', null],
    ['{"verdict":"approve"', null],
  ])('%s', (text, verdict) => {
    expect(readVerdict(text)).toEqual(verdict);
  });
});
