import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { profileWith } from '../../support/backend-session.ts';
import { type Law, makeMark } from './rig.ts';

const PROFILE = profileWith({ bash: 'ask', edit: 'deny' });
const ALLOW = { type: 'allow', scope: 'once', expiresAt: null } as const;

export function questionLaws(law: Law): void {
  law('an allowed command runs once; a second answer is gone', async ({ rig, borrow, place }) => {
    await using live = await borrow(PROFILE);
    const file = `made/${makeMark()}`;
    const command = `echo ran >> ${file}`;
    const { prompt } = await live.send(rig.scenes.run(command));
    const asked = await live.events.first('asked');
    expect(asked).toMatchObject({
      isFromChild: false,
      subject: { type: 'permission', call: { tool: 'bash', command } },
    });
    expect(existsSync(join(place.project, file))).toBe(false);
    expect(await live.session.answer(asked.nativeId, ALLOW)).toBe('taken');
    expect(await live.session.answer(asked.nativeId, ALLOW)).toBe('gone');
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done' });
    expect(await readFile(join(place.project, file), 'utf8')).toBe('ran\n');
  });

  law('an allow is for once: the same command asks again', async ({ rig, borrow }) => {
    await using live = await borrow(PROFILE);
    for (const times of [1, 2]) {
      const { prompt } = await live.send(rig.scenes.run('echo the same'));
      const asked = await live.events.first('asked', (event) => live.events.of('asked').indexOf(event) === times - 1);
      expect(await live.session.answer(asked.nativeId, { ...ALLOW, scope: 'project' })).toBe('taken');
      await live.end(prompt);
    }
  });

  law('the reason of a denial reaches the agent, and the command does not run', async ({ rig, borrow, place }) => {
    await using live = await borrow(PROFILE);
    const [file, reason] = [`made/${makeMark()}`, `because ${makeMark()}`];
    const { prompt } = await live.send(rig.scenes.run(`echo ran >> ${file}`));
    const { nativeId } = await live.events.first('asked');
    expect(await live.session.answer(nativeId, { type: 'deny', reason })).toBe('taken');
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done', text: expect.stringContaining(reason) });
    expect(existsSync(join(place.project, file))).toBe(false);
  });

  law('what a profile denies is not asked and not done', async ({ rig, borrow, place }) => {
    await using live = await borrow(PROFILE);
    const file = `made/${makeMark()}`;
    await live.turn(rig.scenes.write(file, 'not allowed'));
    expect(live.events.of('asked')).toEqual([]);
    expect(existsSync(join(place.project, file))).toBe(false);
  });

  law('a sub-agent asks like its session', async ({ rig, borrow, place, capabilities }) => {
    if (!capabilities.children) return;
    await using live = await borrow(PROFILE);
    const file = `made/${makeMark()}`;
    const { prompt } = await live.send(rig.scenes.run(`echo ran >> ${file}`, { from: 'child' }));
    const asked = await live.events.first('asked');
    expect(asked.isFromChild).toBe(true);
    const children = live.events.of('child-started').map(({ nativeId }) => nativeId);
    expect(children).toEqual([asked.childId]);
    expect(existsSync(join(place.project, file))).toBe(false);
    expect(await live.session.answer(asked.nativeId, ALLOW)).toBe('taken');
    expect(await live.end(prompt)).toMatchObject({ outcome: 'done' });
    expect(await readFile(join(place.project, file), 'utf8')).toBe('ran\n');
    const states = live.events.of('child-state').map(({ nativeId, state }) => [nativeId, state]);
    expect(states).toEqual(['running', 'done'].map((state) => [asked.childId, state]));
  });

  law('a question is answered in words', async ({ rig, borrow, capabilities }) => {
    await using live = await borrow();
    const { prompt } = await live.send(rig.scenes.question('Which colour?', ['red', 'blue']));
    if (capabilities.questions) {
      const { nativeId, subject } = await live.events.first('asked');
      expect(subject).toMatchObject({
        type: 'question',
        questions: [{ question: 'Which colour?', options: [{ label: 'red' }, { label: 'blue' }] }],
      });
      expect(await live.session.answer(nativeId, { type: 'answer', answers: [['blue']] })).toBe('taken');
      expect((await live.end(prompt)).text).toContain('blue');
    } else expect((await live.end(prompt)).outcome).toBe('done');
  });

  law('an answer that does not fit the question is refused', async ({ rig, borrow }) => {
    await using live = await borrow(PROFILE);
    const { prompt } = await live.send(rig.scenes.run('echo fits'));
    const { nativeId } = await live.events.first('asked');
    const unfit = live.session.answer(nativeId, { type: 'answer', answers: [['yes']] });
    await expect(unfit).rejects.toMatchObject({ name: 'AppError', code: 'bad_request' });
    expect(await live.session.answer(nativeId, ALLOW)).toBe('taken');
    expect((await live.end(prompt)).text).toContain('fits');
  });

  law('an interrupted turn takes its open question back', async ({ rig, borrow }) => {
    await using live = await borrow(PROFILE);
    const { prompt } = await live.send(rig.scenes.run('echo never'));
    const { nativeId } = await live.events.first('asked');
    await live.session.interrupt();
    expect(await live.end(prompt)).toMatchObject({ outcome: 'interrupted' });
    await live.events.first('withdrawn', (event) => event.nativeId === nativeId);
    expect(await live.session.answer(nativeId, ALLOW)).toBe('gone');
    expect(await live.turn(rig.scenes.answer('free again'))).toMatchObject({ outcome: 'done', text: 'free again' });
  });

  law('a question that nobody asked is gone', async ({ borrow }) => {
    await using live = await borrow();
    expect(await live.session.answer('no-such-question', ALLOW)).toBe('gone');
  });
}
