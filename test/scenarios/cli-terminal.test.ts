import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliBench, openCliBench, requestFor, write } from '../support/cli-bench.ts';
import { noTerminal } from '../support/terminal.ts';

describe.skipIf(noTerminal !== null)(`a person at a terminal${noTerminal === null ? '' : ` (${noTerminal})`}`, () => {
  let bench: CliBench;
  beforeAll(async () => {
    bench = await openCliBench();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const release = (name: string): void => writeFileSync(join(bench.home, 'control', name), '');
  const held = (name: string) =>
    requestFor(
      { id: 'T1', steps: [{ say: 'I look around.' }, { hold: name }, write('a.txt')], check: 'test -f a.txt' },
      { id: 'T2', steps: [write('b.txt')], needs: ['T1'] },
    );

  it('sees the plan, says yes, watches a tree, gets the result', async () => {
    const terminal = await bench.terminal(['run', held('first')]);
    expect(await terminal.shows('Carry out? [y/N]')).toMatch(/T2 +Task T2 +T1/);
    await terminal.type('y');
    await terminal.press('Enter');
    const working = await terminal.shows(/T1 Task T1 +working.*\n +I look around\./);
    expect(working).toMatch(/0 of 2 done/);
    expect(working).toMatch(/T2 Task T2 +blocked\n +after T1/);
    release('first');
    const end = await terminal.shows('[exit 0]');
    expect(end).toContain('✓ T2 Task T2');
    expect(end).not.toMatch(/\d of 2 done/);
  });

  it('says no, and nothing is run', async () => {
    const terminal = await bench.terminal(['run', held('never')]);
    await terminal.shows('Carry out? [y/N]');
    await terminal.press('Enter');
    expect(await terminal.shows('[exit 5]')).toMatch(/Nothing was run. Later: gantry resume req_/);
  });

  it('allows by a key what an agent asks for, at 40 columns', async () => {
    const ask = requestFor({ id: 'T1', steps: [{ run: { command: 'touch seen.txt' } }], check: 'test -f seen.txt' });
    const terminal = await bench.terminal(['run', '--yes', ask], { columns: 40 });
    const asked = await terminal.shows('[o] once');
    expect(asked).toContain('? T1 wants to use bash: touch seen.txt');
    for (const line of asked.split('\n')) expect(line.length).toBeLessThanOrEqual(40);
    // A key that comes before the question could be read is not taken: it is pressed until it was.
    await terminal.pressUntil('o', 'allowed once');
    await terminal.shows('[exit 0]');
  });

  it('chooses an answer to a question', async () => {
    const options = [
      { label: 'red', description: '' },
      { label: 'blue', description: '' },
    ];
    const ask = requestFor({ id: 'T1', steps: [{ question: { question: 'Which colour?', options } }] });
    const terminal = await bench.terminal(['run', '--yes', ask]);
    await terminal.shows('[a] answer');
    await terminal.pressUntil('a', '● red');
    await terminal.press('Down');
    await terminal.shows('● blue');
    await terminal.press('Enter');
    await terminal.shows('[exit 0]');
    expect(await terminal.history()).toContain('answered by person');
  });

  it('cancels with Ctrl-C', async () => {
    const terminal = await bench.terminal(['run', '--yes', held('never')]);
    await terminal.shows('I look around.');
    await terminal.press('C-c');
    expect(await terminal.shows('[exit 5]')).toContain('cancelled');
  });

  it('works at the prompt: history, Ctrl-C in a request, twice at the prompt, end of input', async () => {
    const terminal = await bench.terminal([], { columns: 40 });
    expect(await terminal.shows('gantry>')).toContain('planner  fake');
    await terminal.type('/projcet ls');
    await terminal.press('Enter');
    await terminal.shows('(did you');
    await terminal.press('Up');
    await terminal.shows(/gantry> \/projcet ls$/);
    await terminal.press('C-c');
    await terminal.type(held('never'));
    await terminal.press('Enter');
    await terminal.shows('[y/N]');
    await terminal.type('y');
    await terminal.press('Enter');
    await terminal.shows('T1 Task T1  working');
    await terminal.press('C-c');
    await terminal.shows(/cancelled.*gantry>$/s);
    await terminal.press('C-c');
    await terminal.shows('Ctrl-C again leaves.');
    await terminal.press('C-c');
    await terminal.shows('[exit 0]');
    const next = await bench.terminal([]);
    await next.shows('gantry>');
    await next.press('Up');
    await next.press('Up');
    await next.shows('gantry> /projcet ls');
    await next.press('C-c');
    await next.press('C-d');
    await next.shows('[exit 0]');
  });

  it('sees no colour with NO_COLOR', async () => {
    const plain = await bench.terminal(['requests'], { env: { NO_COLOR: '1' } });
    await plain.shows('[exit 0]');
    expect(await plain.colours()).not.toContain('\u001b[');
    const coloured = await bench.terminal(['requests']);
    await coloured.shows('[exit 0]');
    expect(await coloured.colours()).toContain('\u001b[');
  });

  it('redraws after the window became narrower without leaving old lines behind', async () => {
    const terminal = await bench.terminal(['run', '--yes', held('narrow')], { columns: 100 });
    await terminal.shows('I look around.');
    await terminal.resize(50, 30);
    await terminal.shows(/0 of 2 done · [^·\n]+$/m);
    release('narrow');
    const end = await terminal.shows('[exit 0]');
    expect(end.match(/Make things/g)).toHaveLength(1);
  });
});
