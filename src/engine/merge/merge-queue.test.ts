import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  mergeBench as bench,
  branches,
  done,
  mergeIn,
  mergeOf,
  person,
  writing,
} from '../../../test/support/merges.ts';
import type { Caller } from '../../contract/caller.ts';
import type { RequestId } from '../../contract/ids.ts';

const GATE = { name: 'check', command: 'test ! -e bad.txt || { echo bad things; exit 3; }' };

describe('the merge queue', () => {
  it('brings work to the branch that is checked out, with the checkout, and removes its branch then', async () => {
    await using test = await bench({ gates: [{ name: 'there', command: 'test -f a.txt' }] });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    expect(await branches(test)).toEqual([request.branch, 'main']);
    await test.engine.merges.add({ requestId: request.id }, person);
    const merge = await mergeIn(test, request.id, 'merged');
    expect(merge).toMatchObject({ target: 'main', commit: await test.repo.git(['rev-parse', 'main']) });
    await access(join(test.repo.root, 'a.txt'));
    expect(await test.repo.git(['status', '--porcelain'])).toBe('');
    expect(await branches(test)).toEqual(['main']);
    expect(await test.repo.git(['log', '-1', '--format=%s%n%b'])).toContain(`Gantry-Request: ${request.id}`);
    await expect(test.engine.merges.add({ requestId: request.id }, person)).rejects.toMatchObject({
      code: 'illegal_move',
    });
  });

  it('takes five together: names the one that breaks a gate, gives a conflict back, and keeps the gate green on main', async () => {
    await using test = await bench({ gates: [GATE] });
    const requests = [
      await done(test, writing({ 'a.txt': 'a\n' })),
      await done(test, writing({ 'bad.txt': 'bad\n' })),
      await done(test, writing({ 'same.txt': 'one\n' })),
      await done(test, writing({ 'same.txt': 'two\n' })),
      await done(test, writing({ 'b.txt': 'b\n' })),
    ];
    const kept = await done(test, writing({ 'c.txt': 'c\n' }), { merge: 'local' });
    // In one turn of the event loop, so that they are one batch.
    await Promise.all(requests.map(({ id }) => test.engine.merges.add({ requestId: id }, person)));
    const [a, bad, one, two, b] = requests.map(({ id }) => id) as [
      RequestId,
      RequestId,
      RequestId,
      RequestId,
      RequestId,
    ];
    for (const id of [a, one, two, b]) await mergeIn(test, id, 'merged');
    expect(await mergeIn(test, bad, 'rejected')).toMatchObject({
      gate: { name: 'check', exitCode: 3, output: 'bad things\n' },
      cause: expect.stringContaining('the gate check'),
    });
    const changes = test.store.journal.since(0, { kinds: ['merge.changed'], limit: 1_000 }).facts;
    const conflicts = changes.flatMap(({ kind, data }) =>
      kind === 'merge.changed' && data.to === 'conflict' ? [data.row] : [],
    );
    expect(conflicts).toMatchObject([{ conflicts: ['same.txt'] }]);
    // The later one was given back to its author, who resolved it: the fake agent wrote its own line again.
    expect([one, two]).toContain(conflicts[0]?.requestId);
    expect(await test.repo.git(['show', 'main:same.txt'])).toBe(conflicts[0]?.requestId === one ? 'one' : 'two');
    const pages: string[][] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const { items, nextCursor } = test.engine.merges.list({ limit: 2, ...(cursor && { cursor }) });
      pages.push(items.map(({ id }) => id));
      cursor = nextCursor;
    }
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    // The newest first; the ids of one millisecond have no order.
    const taken = changes.flatMap(({ kind, data }) =>
      kind === 'merge.changed' && data.from === null ? [data.row.id] : [],
    );
    expect(pages.flat()).toEqual(taken.toReversed());
    const commits = (await test.repo.git(['rev-list', '--first-parent', 'main'])).split('\n');
    for (const commit of commits) {
      expect(await test.repo.git(['ls-tree', '--name-only', commit])).not.toContain('bad.txt');
    }
    expect(mergeOf(test, kept.id)).toBeUndefined();
    expect(await branches(test)).toEqual(expect.arrayContaining([kept.branch, requests[1]?.branch]));
    expect(test.engine.queries.alerts()).toHaveLength(1);
  });

  it('says so when a gate fails on the target already', async () => {
    await using test = await bench({ gates: [{ name: 'never', command: 'false' }] });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    expect((await mergeIn(test, request.id, 'rejected')).cause).toContain('as it does on main without this work');
  });

  it('does not blame a gate that fails now and then', async () => {
    await using test = await bench({
      gates: [{ name: 'flaky', command: 'mkdir ../seen 2>/dev/null && exit 1 || true' }],
    });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    await mergeIn(test, request.id, 'merged');
  });

  it('tries again on top of what somebody else brought to the target meanwhile', async () => {
    await using test = await bench({ gates: [{ name: 'slow', command: 'HOLD' }] });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    await mergeIn(test, request.id, 'merging');
    await test.repo.write('mine.txt', 'mine\n');
    const mine = await test.repo.commit('by hand');
    await test.open();
    expect(await mergeIn(test, request.id, 'merged')).toMatchObject({ retries: 1 });
    expect(await test.repo.git(['rev-parse', 'main^1'])).toBe(mine);
  });

  it('takes verdicts, and serves other targets, while gates run', async () => {
    await using test = await bench({
      approvals: 1,
      gates: [{ name: 'slow', command: 'test "$(git log -1 --format=%s | cut -c1-5)" != "Slow." || { HOLD; }' }],
    });
    await test.repo.git(['branch', 'other']);
    const slow = await done(test, writing({ 'a.txt': 'a\n' }).replace('Do it.', 'Slow.'));
    const quick = await done(test, writing({ 'b.txt': 'b\n' }));
    const first = await test.engine.merges.add({ requestId: slow.id }, person);
    test.engine.merges.review({ id: first.id, verdict: 'approve', text: '' }, person);
    await mergeIn(test, slow.id, 'merging');
    const second = await test.engine.merges.add({ requestId: quick.id, target: 'other' }, person);
    test.engine.merges.review({ id: second.id, verdict: 'approve', text: '' }, person);
    await mergeIn(test, quick.id, 'merged');
    expect(mergeOf(test, slow.id)?.state).toBe('merging');
    await test.open();
    await mergeIn(test, slow.id, 'merged');
  });

  it('goes on after a restart in the middle of the gates, and leaves no checkout', async () => {
    await using test = await bench({ gates: [{ name: 'slow', command: 'HOLD' }] });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    await mergeIn(test, request.id, 'merging');
    await test.restart();
    await test.open();
    await mergeIn(test, request.id, 'merged');
    expect((await test.repo.git(['worktree', 'list'])).split('\n')).toHaveLength(1);
  });

  it('finds after a restart that the target had been moved already', async () => {
    await using test = await bench({ gates: [{ name: 'slow', command: 'HOLD' }] });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    await test.engine.merges.add({ requestId: request.id }, person);
    const { commit } = await mergeIn(test, request.id, 'merging');
    // As a kill right after the move leaves it.
    await test.repo.git(['merge', '--quiet', '--ff-only', commit ?? '']);
    await test.restart();
    expect(await mergeIn(test, request.id, 'merged')).toMatchObject({ commit, retries: 0 });
    expect(await branches(test)).toEqual(['main']);
  });

  it('leaves a checkout with work that is in the way as it is, and says what is in the way', async () => {
    await using test = await bench();
    const request = await done(test, writing({ 'README.md': 'theirs\n' }));
    await test.repo.write('README.md', 'mine, not committed\n');
    await test.engine.merges.add({ requestId: request.id }, person);
    const merge = await mergeIn(test, request.id, 'rejected');
    expect(merge.cause).toContain('README.md');
    expect(await test.repo.git(['status', '--porcelain'])).toBe(' M README.md');
    await test.repo.git(['checkout', '--quiet', 'README.md']);
    await test.engine.merges.retry(merge.id, person);
    await mergeIn(test, request.id, 'merged');
    expect(test.engine.queries.alerts()).toEqual([]);
  });

  it('brings work to a remote and leaves the person with what is checked out', async () => {
    await using test = await bench({ remote: 'origin', isAuto: true });
    const remote = test.repo.beside('remote.git');
    await test.repo.git(['init', '--quiet', '--bare', remote]);
    await test.repo.git(['remote', 'add', 'origin', remote]);
    await test.repo.git(['push', '--quiet', 'origin', 'main']);
    const before = await test.repo.git(['rev-parse', 'HEAD']);
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { commit } = await mergeIn(test, request.id, 'merged');
    expect(await test.repo.git(['rev-parse', 'main'], remote)).toBe(commit);
    expect(await test.repo.git(['rev-parse', 'HEAD'])).toBe(before);
    expect(await branches(test)).toEqual(['main']);
  });

  it('squashes where that is asked for, and keeps the commits at a hidden ref', async () => {
    await using test = await bench({ strategy: 'squash' });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id } = await test.engine.merges.add({ requestId: request.id }, person);
    await mergeIn(test, request.id, 'merged');
    expect(await test.repo.git(['rev-list', '--count', 'main'])).toBe('2');
    expect(await test.repo.git(['rev-parse', `refs/gantry/snapshots/merged/${id}`])).toBe(request.result?.commit);
    expect(await branches(test)).toEqual(['main']);
  });

  it('takes no work that is not there', async () => {
    await using test = await bench();
    const nothing = await done(test, 'Say hello. @@fake [{"text":"hello"}]');
    await expect(test.engine.merges.add({ requestId: nothing.id }, person)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('leaves alone what was withdrawn', async () => {
    await using test = await bench({ approvals: 1 });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id } = await test.engine.merges.add({ requestId: request.id }, person);
    test.engine.merges.withdraw(id, undefined, person);
    expect(() => test.engine.merges.review({ id, verdict: 'approve', text: '' }, person)).toThrow('withdrawn');
    await test.restart();
    expect(mergeOf(test, request.id)?.state).toBe('withdrawn');
    expect(await test.repo.git(['rev-list', '--count', 'main'])).toBe('1');
  });
});

describe('the review', () => {
  const reviewer = (name: string): Caller => ({
    actor: `agent:project/reviewer/${name}`,
    scope: 'read',
    agent: `project/reviewer/${name}`,
  });

  it('lets work in when enough have approved it, and nobody approves their own', async () => {
    await using test = await bench({ approvals: 2 });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id, authors } = await test.engine.merges.add({ requestId: request.id }, person);
    const author = authors[0] ?? '';
    const own = { id, verdict: 'approve', text: '' } as const;
    expect(() => test.engine.merges.review(own, { actor: `agent:${author}`, scope: 'read', agent: author })).toThrow(
      'nobody approves their own work',
    );
    test.engine.merges.review({ id, verdict: 'approve', text: 'good' }, reviewer('one'));
    test.engine.merges.review({ id, verdict: 'approve', text: 'once more' }, reviewer('one'));
    expect(mergeOf(test, request.id)).toMatchObject({ state: 'reviewing', reviews: [{ text: 'once more' }] });
    test.engine.merges.review({ id, verdict: 'approve', text: '' }, reviewer('two'));
    await mergeIn(test, request.id, 'merged');
  });

  it('keeps out what a reviewer wants changed', async () => {
    await using test = await bench({ approvals: 1 });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id } = await test.engine.merges.add({ requestId: request.id }, person);
    test.engine.merges.review({ id, verdict: 'changes', text: 'say why' }, reviewer('one'));
    expect((await mergeIn(test, request.id, 'rejected')).cause).toContain('say why');
    expect(await test.repo.git(['rev-list', '--count', 'main'])).toBe('1');
  });

  it('takes silence for changes', async () => {
    await using test = await bench({ approvals: 2, reviewTimeout: 50 });
    const request = await done(test, writing({ 'a.txt': 'a\n' }));
    const { id } = await test.engine.merges.add({ requestId: request.id }, person);
    expect((await mergeIn(test, request.id, 'rejected')).cause).toContain('no answer counts as changes');
    expect(mergeOf(test, request.id)?.id).toBe(id);
  });
});
