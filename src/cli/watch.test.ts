import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testContext } from '../../test/support/context.ts';
import { sampleApproval, sampleAttempt, sampleRequest, sampleTask } from '../../test/support/rows.ts';
import { Channel } from '../base/channel.ts';
import { type Deferred, deferred } from '../base/wait.ts';
import type { Approval } from '../contract/approval.ts';
import { emptyView, type View } from '../contract/fold.ts';
import { Interrupts } from './keys.ts';
import { isSettled } from './progress.ts';
import { newMemory, type Watching, watch } from './watch.ts';

const REQUEST = 'req_000000001';

/** A view that a test changes; each change is one item of the stream. */
function changing() {
  const view = emptyView();
  const channel = new Channel<View>(100);
  const change = (act: (view: View) => void): void => {
    act(view);
    channel.push(view);
  };
  change((v) => {
    v.requests.set(REQUEST, sampleRequest());
    v.tasks.set('tsk_000000001', sampleTask(1, { state: 'working', attemptId: 'att_000000001', attempts: 1 }));
    v.attempts.set('att_000000001', sampleAttempt(1));
  });
  return { channel, change };
}

const finish = (view: View): void => {
  view.requests.set(REQUEST, sampleRequest({ state: 'done' }));
};

let interrupts: Interrupts;
beforeEach(() => {
  interrupts = new Interrupts();
});
afterEach(() => interrupts[Symbol.dispose]());

const watching = (over: Partial<Watching> = {}): Watching => ({
  requestId: REQUEST,
  isOver: isSettled,
  onInterrupt: () => undefined,
  memory: newMemory(),
  interrupts,
  answer: null,
  ...over,
});

/** Resolves when `text` was written. */
async function until(written: { stderr: string }, text: string): Promise<void> {
  await expect.poll(() => written.stderr, { timeout: 60_000, interval: 5 }).toContain(text);
}

describe('watching a request', () => {
  it('tells its changes in lines and ends with it', async () => {
    const { context, written } = testContext();
    const { channel, change } = changing();
    change((v) => v.tasks.set('tsk_000000001', sampleTask(1, { state: 'done', attempts: 1 })));
    change(finish);
    const end = await watch(context, channel, watching());
    expect(end.request.state).toBe('done');
    // The view is one object: what came at once is told at once.
    expect(written.stderr).toBe('req_000000001 done\nT1 done: Write hello.py\n');
  });

  it('breaks a silence of ten seconds', async () => {
    const { context, written, clock } = testContext();
    const { channel, change } = changing();
    const over = watch(context, channel, watching());
    await until(written, 'T1 working');
    clock.advance(9_000);
    expect(written.stderr).not.toContain('nothing heard yet');
    clock.advance(2_000);
    expect(written.stderr).toContain('T1 working, nothing heard yet');
    change(finish);
    await over;
  });

  it('calls for the end at the first Ctrl-C and leaves at the second', async () => {
    const { context, written } = testContext();
    const { channel } = changing();
    let calls = 0;
    const onInterrupt = (): void => {
      calls += 1;
    };
    const over = watch(context, channel, watching({ onInterrupt }));
    await until(written, 'T1 working');
    process.emit('SIGINT');
    expect(calls).toBe(1);
    process.emit('SIGINT');
    await expect(over).rejects.toMatchObject({ code: 'cancelled' });
    expect(calls).toBe(1);
  });

  it('takes a Ctrl-C that came before it began', async () => {
    const { context } = testContext();
    const { channel } = changing();
    process.emit('SIGINT');
    process.emit('SIGINT');
    await expect(watch(context, channel, watching())).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('draws a tree on a terminal, answers by a key, and cleans up', async () => {
    const { context, written, clock, keyboard } = testContext({ isTerminal: true });
    const { channel, change } = changing();
    const asked: Deferred<[Approval, string]> = deferred();
    const answer = async (approval: Approval, key: string): Promise<void> => asked.resolve([approval, key]);
    change((v) => v.approvals.set('apr_000000001', sampleApproval()));
    const over = watch(context, channel, watching({ answer }));
    await expect.poll(() => channel.size, { timeout: 60_000, interval: 5 }).toBe(0);
    clock.advance(100);
    await until(written, 'T1 wants to use bash: python3 hello.py');
    expect(keyboard.isRaw).toBe(true);
    keyboard.type('d');
    clock.advance(1_000);
    keyboard.type('o');
    const [approval, key] = await asked.promise;
    expect([approval.id, key]).toEqual(['apr_000000001', 'o']);
    change(finish);
    await over;
    expect(keyboard.isRaw).toBe(false);
    expect(keyboard.listenerCount('data')).toBe(0);
    expect(written.stderr.endsWith('\u001b[J')).toBe(true);
  });

  it('takes Ctrl-C of a raw terminal as an interrupt', async () => {
    const { context, clock, keyboard } = testContext({ isTerminal: true });
    const { channel } = changing();
    const over = watch(context, channel, watching({ answer: async () => undefined }));
    clock.advance(100);
    keyboard.type('\u0003\u0003');
    await expect(over).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('says that the daemon is gone when the views end', async () => {
    const { context } = testContext();
    const { channel } = changing();
    channel.end();
    await expect(watch(context, channel, watching())).rejects.toMatchObject({ code: 'daemon_unreachable' });
  });
});
