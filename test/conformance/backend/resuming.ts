import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { until } from '../../../src/base/wait.ts';
import { LIMIT_MS, type LiveSession, openSpec } from '../../support/backend-session.ts';
import { asked, expectNothingLeft, killAgents, type Law, makeMark, openIn, type Place, requestsWith } from './rig.ts';

const linesOf = async (path: string): Promise<number> =>
  (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;

const written = (path: string): Promise<true> =>
  until(
    async () => ((await linesOf(path)) > 0 ? true : null),
    { everyMs: 20, limitMs: LIMIT_MS },
    () => new Error(`${path} was not written`),
  );

export function resumingLaws(law: Law): void {
  law('a resumed session knows what was said, and starts no turn by itself', async (bench) => {
    const { rig, borrow, share, place, backend } = bench;
    const first = await borrow();
    const [mark, later] = [makeMark(), makeMark()];
    await first.turn(`${mark} ${rig.scenes.answer('said before')}`);
    const { nativeId } = first.session;
    await first.close();
    const requests = (await rig.requests()).length;
    await using second = share(await openIn(place, backend, { from: { type: 'resume', nativeId } }));
    expect(second.session.origin).toEqual({ type: 'resumed' });
    expect(second.session.nativeId).toBe(nativeId);
    await second.turn(`${later} ${rig.scenes.answer('said after')}`);
    expect(await rig.requests()).toHaveLength(requests + 1);
    expect(second.events.of('turn-started')).toHaveLength(1);
    const [request] = await requestsWith(rig, later);
    expect(request).toContain(mark);
    expect(request).toContain('said before');
  });

  law('a native session is live once', async ({ borrow, place, backend }) => {
    await using live = await borrow();
    const from = { type: 'resume', nativeId: live.session.nativeId } as const;
    await expect(backend.open(openSpec(place.project, { from }))).rejects.toMatchObject({ code: 'conflict' });
  });

  law('a session of another directory is not resumed there', async ({ borrow, backend, newPlace }) => {
    const first = await borrow();
    const { nativeId } = first.session;
    await first.close();
    await using live = await openIn(await newPlace(), backend, { from: { type: 'resume', nativeId } });
    expect(live.session.nativeId).not.toBe(nativeId);
    expect(live.session.origin).toMatchObject({ type: 'new-instead', reason: expect.stringMatching(/\w+ \w+/) });
  });

  law('a session that the program does not know is a new one, with the reason', async ({ rig, open, share }) => {
    await using live = share(await open({ from: { type: 'resume', nativeId: 'ses_00000000000000000000000000' } }));
    expect(live.session.origin).toMatchObject({ type: 'new-instead', reason: expect.stringMatching(/\w+ \w+/) });
    expect(await live.turn(rig.scenes.answer('a new one'))).toMatchObject({ outcome: 'done', text: 'a new one' });
  });

  law('a turn that is over tells its end again, without the model', async (bench) => {
    const { rig, borrow, share, place, backend } = bench;
    const first = await borrow();
    const mark = makeMark();
    const prompt = first.makePrompt(`${mark} ${rig.scenes.answer('only once')}`);
    await first.turn(prompt);
    await first.close();
    const from = { type: 'resume', nativeId: first.session.nativeId } as const;
    await using second = share(await openIn(place, backend, { from }));
    expect(await second.turn(prompt)).toMatchObject({ outcome: 'done', text: 'only once' });
    expect(await requestsWith(rig, mark)).toHaveLength(1);
  });

  law('usage of a resumed session is not counted twice', async ({ rig, borrow, share, place, backend }) => {
    const { text, usage } = rig.scenes.use();
    const first = await borrow();
    await first.turn(text);
    await first.close();
    const from = { type: 'resume', nativeId: first.session.nativeId } as const;
    await using second = share(await openIn(place, backend, { from }));
    const { costUsd: _, ...tokens } = usage;
    expect((await second.turn(text)).usage).toEqual(rig.asksBeside ? expect.objectContaining(tokens) : usage);
  });

  law('kill -9 between two steps: the turn goes on, nothing is given or done twice', async (bench) => {
    const place = await bench.newPlace();
    const backend = bench.newBackend(place);
    const [mark, hold, file] = [makeMark(), makeMark(), join(place.project, 'made/count')];
    const first = await openIn(place, backend);
    const prompt = first.makePrompt(`${mark} ${bench.rig.scenes.run('echo x >> made/count', { hold })}`);
    await first.session.prompt(prompt, 'next-turn');
    await asked(bench.rig, mark, 2);
    await crash(place, first);
    await bench.rig.release(hold);
    const second = await openIn(place, backend, { from: { type: 'resume', nativeId: first.session.nativeId } });
    expect(second.session.origin).toEqual({ type: 'resumed' });
    expect(second.events.of('turn-started')).toEqual([]);
    expect(await second.turn(prompt)).toMatchObject({ outcome: 'done', text: expect.stringContaining('heard:') });
    await requestsWith(bench.rig, mark);
    expect(await linesOf(file)).toBe(1);
    await second.close();
    await backend.close(500);
    await expectNothingLeft(place);
  });

  law('kill -9 in a tool: it is noted as interrupted and not run again', async (bench) => {
    const place = await bench.newPlace();
    const backend = bench.newBackend(place);
    const [mark, file] = [makeMark(), join(place.project, 'made/count')];
    const first = await openIn(place, backend);
    const prompt = first.makePrompt(`${mark} ${bench.rig.scenes.run('echo x >> made/count; sleep 600')}`);
    await first.session.prompt(prompt, 'next-turn');
    await written(join(bench.rig.worksIn?.(place) ?? place.project, 'made/count'));
    await crash(place, first);
    const second = await openIn(place, backend, { from: { type: 'resume', nativeId: first.session.nativeId } });
    expect(await second.turn(prompt)).toMatchObject({ outcome: 'done', text: expect.stringMatching(/interrupted/i) });
    await requestsWith(bench.rig, mark);
    expect(await linesOf(file)).toBe(1);
    await second.close();
    await backend.close(500);
    await expectNothingLeft(place);
  });

  law('after a crash of the daemon the same prompt goes on once', async (bench) => {
    const place = await bench.newPlace();
    const before = bench.newBackend(place);
    const [mark, hold, file] = [makeMark(), makeMark(), join(place.project, 'made/count')];
    const spec = openSpec(place.project);
    const first = await openIn(place, before, spec);
    const prompt = first.makePrompt(`${mark} ${bench.rig.scenes.run('echo x >> made/count', { hold })}`);
    await first.session.prompt(prompt, 'next-turn');
    await asked(bench.rig, mark, 2);
    const after = bench.newBackend(place);
    await after.sweep(new Set([spec.sessionId]));
    const from = { type: 'resume', nativeId: first.session.nativeId } as const;
    const second = await openIn(place, after, { ...spec, from });
    expect(second.session.origin).toEqual({ type: 'resumed' });
    const receipt = second.session.prompt(prompt, 'next-turn');
    await bench.rig.release(hold);
    expect(await receipt).toEqual({ type: 'accepted' });
    expect(await second.end(prompt)).toMatchObject({ outcome: 'done', text: expect.stringContaining('heard:') });
    await requestsWith(bench.rig, mark);
    expect(await linesOf(file)).toBe(1);
    await second.close();
    await after.close(500);
    await before.close(500);
    await expectNothingLeft(place);
  });

  law(
    'a fork knows what was said and leaves the original alone',
    async ({ rig, open, borrow, share, capabilities }) => {
      if (!capabilities.fork) return;
      await using original = await borrow();
      const { text, usage } = rig.scenes.use();
      const [mark, later] = [makeMark(), makeMark()];
      await original.turn(`${mark} ${rig.scenes.answer('said before')}`);
      await original.turn(text);
      await using fork = share(await open({ from: { type: 'fork', nativeId: original.session.nativeId } }));
      expect(fork.session.origin).toEqual({ type: 'forked' });
      expect(fork.session.nativeId).not.toBe(original.session.nativeId);
      await fork.turn(`${later} ${rig.scenes.answer('in the fork')}`);
      expect((await requestsWith(rig, later))[0]).toContain(mark);
      expect((await fork.turn(text)).usage).toEqual(usage);
      const third = makeMark();
      await original.turn(`${third} ${rig.scenes.answer('in the original')}`);
      expect((await requestsWith(rig, third))[0]).not.toContain(later);
    },
  );

  law('a fork works where it is told to, and is resumed there', async ({ rig, open, borrow, capabilities, place }) => {
    if (!capabilities.fork) return;
    await using original = await borrow();
    const mark = makeMark();
    await original.turn(`${mark} ${rig.scenes.answer('said before')}`);
    const directory = join(place.project, '..', `fork-${makeMark()}`);
    await promisify(execFile)('git', ['worktree', 'add', '--detach', directory], { cwd: place.project });
    const fork = await open({ directory, from: { type: 'fork', nativeId: original.session.nativeId } });
    const { nativeId } = fork.session;
    await fork.turn(rig.scenes.write('made.txt', 'x'));
    expect(existsSync(join(directory, 'made.txt'))).toBe(true);
    expect(existsSync(join(place.project, 'made.txt'))).toBe(false);
    await fork.close();
    await using again = await open({ directory, from: { type: 'resume', nativeId } });
    expect(again.session.origin).toEqual({ type: 'resumed' });
    const last = makeMark();
    await again.turn(`${last} ${rig.scenes.answer('in the fork')}`);
    expect((await requestsWith(rig, last))[0]).toContain(mark);
  });
}

/** Ends the agent program as a crash would, and sees the session end with it. */
async function crash(place: Place, live: LiveSession): Promise<void> {
  killAgents(place);
  const reason = await live.ended();
  expect(reason).toMatchObject({
    type: 'died',
    failure: { class: 'crash', message: expect.stringMatching(/\w+ \w+/) },
  });
}
