import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { addUsage } from '../../../src/contract/usage.ts';
import { asked, type Law, makeMark, requestsWith } from './rig.ts';

export function turnLaws(law: Law): void {
  law('deltas join to the whole text', async ({ rig, borrow }) => {
    await using live = await borrow();
    const whole = 'Ein Satz, der in Stücken kommt: äöü 漢字 🙂 – bis zum Ende.';
    const end = await live.turn(rig.scenes.answer(whole, 7));
    expect(end.text).toBe(whole);
    const said = live.events.of('text').find((event) => event.text === whole);
    const deltas = live.events.of('text-delta').filter((event) => event.partId === said?.partId);
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.map((delta) => delta.text).join('')).toBe(whole);
  });

  law('every accepted prompt has one start and one end, in order', async ({ rig, borrow }) => {
    await using live = await borrow();
    for (const text of ['first', 'second']) await live.turn(rig.scenes.answer(text));
    const turns = live.events.all.filter((event) => event.type === 'turn-started' || event.type === 'turn-ended');
    expect(turns.map((event) => event.type)).toEqual(['turn-started', 'turn-ended', 'turn-started', 'turn-ended']);
    expect(turns[0]?.promptId).toBe(turns[1]?.promptId);
    expect(turns[2]?.promptId).toBe(turns[3]?.promptId);
  });

  law('a tool is told with its start and its end, and a changed file by its path', async ({ rig, borrow, place }) => {
    await using live = await borrow();
    await live.turn(rig.scenes.write('made/written.txt', 'some words\n'));
    const path = join(place.project, 'made/written.txt');
    expect(await readFile(path, 'utf8')).toBe('some words\n');
    const [started] = live.events.of('tool-started');
    const [ended] = live.events.of('tool-ended');
    expect(ended).toMatchObject({ callId: started?.callId, tool: started?.tool, status: 'completed' });
    expect(live.events.of('file-changed').map((event) => event.path)).toContain(path);
  });

  law('a tool that fails is an error of the tool, not of the turn', async ({ rig, borrow }) => {
    await using live = await borrow();
    const end = await live.turn(rig.scenes.run('echo to be seen; exit 3'));
    expect(end).toMatchObject({ outcome: 'done', text: expect.stringContaining('to be seen') });
  });

  law('a failure has a class and words, and the session lives on', async ({ rig, borrow }) => {
    await using live = await borrow();
    const failed = await live.turn(rig.scenes.fail());
    expect(failed.outcome).toBe('failed');
    expect(failed.failure?.class).toBe('model');
    expect(failed.failure?.message).toMatch(/\w+/);
    expect(await live.turn(rig.scenes.answer('again well'))).toMatchObject({ outcome: 'done', text: 'again well' });
  });

  law('a limit of the provider has its class', async ({ rig, borrow }) => {
    await using live = await borrow();
    const failed = await live.turn(rig.scenes.limit?.() ?? '');
    expect(failed).toMatchObject({ outcome: 'failed', failure: { class: expect.stringMatching(/^(rate|quota)$/) } });
  });

  law('next-turn waits for the running turn', async ({ rig, borrow }) => {
    await using live = await borrow();
    const [mark, hold] = [makeMark(), makeMark()];
    const first = await live.send(`${mark} ${rig.scenes.hold(hold, 'one')}`);
    await asked(rig, mark);
    const second = live.send(rig.scenes.answer('two'));
    await rig.release(hold);
    expect(await live.end(first.prompt)).toMatchObject({ outcome: 'done', text: 'one' });
    const { prompt, receipt } = await second;
    expect(receipt).toEqual({ type: 'accepted' });
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done', text: 'two' });
    const order = live.events.all.flatMap((event) => (event.type.startsWith('turn-') ? [event.type] : []));
    expect(order).toEqual(['turn-started', 'turn-ended', 'turn-started', 'turn-ended']);
  });

  law('steer joins the running turn if the program can', async ({ rig, borrow, capabilities }) => {
    await using live = await borrow();
    const [mark, word, hold] = [makeMark(), makeMark(), makeMark()];
    const first = await live.send(`${mark} ${rig.scenes.hold(hold, 'one')}`);
    await asked(rig, mark);
    const second = live.send(`${word} ${rig.scenes.answer('steered')}`, 'steer');
    if (capabilities.steer) expect((await second).receipt).toEqual({ type: 'accepted' });
    await rig.release(hold);
    const steered = (await second).prompt;
    expect(await live.end(first.prompt)).toMatchObject({ outcome: 'done' });
    expect(await live.end(steered)).toMatchObject({ outcome: 'done', text: 'steered' });
    expect((await requestsWith(rig, word)).length).toBeGreaterThan(0);
    const order = live.events.all.flatMap((event) => (event.type.startsWith('turn-') ? [event.type] : []));
    const apart = ['turn-started', 'turn-ended', 'turn-started', 'turn-ended'];
    expect(order).toEqual(capabilities.steer ? ['turn-started', 'turn-started', 'turn-ended', 'turn-ended'] : apart);
  });

  law('interrupt ends the turn and keeps the session', async ({ rig, borrow }) => {
    await using live = await borrow();
    const mark = makeMark();
    const { prompt } = await live.send(`${mark} ${rig.scenes.hold(makeMark(), 'never')}`);
    await asked(rig, mark);
    await live.session.interrupt();
    expect(await live.end(prompt)).toMatchObject({ outcome: 'interrupted' });
    await live.session.interrupt();
    expect(await live.turn(rig.scenes.answer('still here'))).toMatchObject({ outcome: 'done', text: 'still here' });
  });

  law('a prompt of mode interrupt ends the running turn first', async ({ rig, borrow }) => {
    await using live = await borrow();
    const mark = makeMark();
    const { prompt } = await live.send(`${mark} ${rig.scenes.hold(makeMark(), 'never')}`);
    await asked(rig, mark);
    expect(await live.turn(rig.scenes.answer('instead'), 'interrupt')).toMatchObject({
      outcome: 'done',
      text: 'instead',
    });
    expect(await live.end(prompt)).toMatchObject({ outcome: 'interrupted' });
  });

  law('the same prompt again is given to the model once', async ({ rig, borrow }) => {
    await using live = await borrow();
    const [mark, hold] = [makeMark(), makeMark()];
    const prompt = live.makePrompt(`${mark} ${rig.scenes.hold(hold, 'once')}`);
    expect(await live.session.prompt(prompt, 'next-turn')).toEqual({ type: 'accepted' });
    await asked(rig, mark);
    const again = live.session.prompt(prompt, 'next-turn');
    await rig.release(hold);
    expect(await again).toEqual({ type: 'accepted' });
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done', text: 'once' });
    expect(await requestsWith(rig, mark)).toHaveLength(1);
  });

  law("usage is the provider's count", async ({ rig, borrow, capabilities }) => {
    await using live = await borrow();
    const { text, usage } = rig.scenes.use();
    const [first, second] = [await live.turn(text), await live.turn(text)];
    expect(first.usage).toEqual(usage);
    expect(addUsage(first.usage, second.usage)).toEqual(addUsage(usage, usage));
    expect(usage.costUsd !== null).toBe(capabilities.cost);
    expect((await live.turn(rig.scenes.answer('unpriced?'))).usage.costUsd).not.toBe(0);
  });

  law('reasoning is told if the program shows it', async ({ rig, borrow, capabilities }) => {
    await using live = await borrow();
    const end = await live.turn(rig.scenes.reason('a thought', 'a word'));
    expect(end.text).toBe('a word');
    const thoughts = live.events.of('reasoning').map((event) => event.text);
    expect(thoughts).toEqual(capabilities.reasoning ? ['a thought'] : []);
  });

  law('the transcript holds what was said and done', async ({ rig, borrow, capabilities }) => {
    await using live = await borrow();
    const mark = makeMark();
    await live.turn(`${mark} ${rig.scenes.run('echo out')}`);
    if (!capabilities.transcript) return;
    const items = await live.session.transcript();
    expect(items.filter((item) => item.type === 'user' && item.text.includes(mark))).toHaveLength(1);
    expect(items.findLast((item) => item.type === 'tool')).toMatchObject({
      status: 'completed',
      output: expect.stringContaining('out'),
    });
    expect(items.findLast((item) => item.type === 'text')).toMatchObject({
      text: expect.stringContaining('heard: out'),
    });
  });
}
