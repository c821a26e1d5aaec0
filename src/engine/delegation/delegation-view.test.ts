import { expect, it } from 'vitest';
import { bench, over, person } from '../../../test/support/engine-bench.ts';
import { taskEventOf } from '../../contract/task-events.ts';
import { eventPage, newestEvents } from './delegation-view.ts';

it('pages through exactly the facts that are events, from anywhere, and finds the newest', async () => {
  await using test = await bench({ limits: { maxAttempts: 1 } });
  const { engine, store } = test;
  const give = async (...steps: readonly object[]) => {
    const given = {
      callerId: 'caller',
      description: `Go. @@fake ${JSON.stringify(steps)}`,
      observers: [],
      isSync: false,
    };
    return (
      await engine.delegations.submit({ ...given, notify: 'always', priority: 9, queueTimeoutMs: 60_000 }, person)
    ).view;
  };
  const one = await give({ run: { command: 'touch a.txt' } }, { hold: 'go', text: 'on' }, { text: 'done' });
  const asked = await test.until('the question', () => store.read.approvals.list({ state: 'pending' })[0]);
  engine.delegations.message({ id: one.id, text: 'mind', noteType: 'feedback', metadata: {} }, person);
  engine.delegations.decide({ approvalId: asked.id, decision: 'once' }, person);
  await test.until('the tool', () => newestEvents(store, one.requestId, 1)[0]?.message.includes('was allowed'));
  await engine.delegations.control({ id: one.id, control: 'pause' }, person);
  await test.release('go');
  await engine.delegations.control({ id: one.id, control: 'resume' }, person);
  await over(test, one.requestId);
  const two = await give({ fail: { class: 'model', message: 'no' } });
  await over(test, two.requestId);
  const three = await give({ hold: 'never' });
  await engine.delegations.control({ id: three.id, control: 'cancel' }, person);

  const kinds = new Set<string>();
  for (const { requestId } of [one, two, three]) {
    const facts = store.journal.since(0, { requestId, limit: 1_000 }).facts;
    const events = facts.flatMap((fact) => taskEventOf(fact) ?? []);
    for (const fact of facts.filter((each) => taskEventOf(each) !== null)) kinds.add(fact.kind);
    const total = events.length;
    expect(eventPage(store, requestId, { offset: 0, limit: Number.POSITIVE_INFINITY })).toEqual({ events, total });
    for (let offset = 0; offset <= total; offset += 1) {
      const some = eventPage(store, requestId, { offset, limit: 2 });
      expect(some).toEqual({ events: events.slice(offset, offset + 2), total });
    }
    expect(newestEvents(store, requestId, 5)).toEqual(events.slice(-5));
  }
  const seen = ['approval', 'attempt', 'request'].map((row) => `${row}.changed`);
  expect([...kinds].sort()).toEqual([...seen, 'check.ran', 'delegation.message', 'text', 'tool.ended'].sort());
});
