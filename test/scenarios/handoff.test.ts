import { expect, it } from 'vitest';
import { claude } from '../support/claude-agent.ts';
import { opencode } from '../support/opencode-agent.ts';
import { commonCheck, settingsOf } from '../support/scenario.ts';
import type { ScriptedAgent } from '../support/scripted-agent.ts';
import { World } from '../support/world.ts';

const NOTE = 'the port is mark-8080';

/** A task of Claude Code that has made a file and waits, handed to OpenCode; `cut` happens once the note is stored. */
async function handedOver(world: World, name: string, cut: () => Promise<void>): Promise<void> {
  const [other] = world.others as readonly [ScriptedAgent];
  const words = `Make ${name}.`;
  const acts = [{ write: { path: `${name}-half.txt`, content: 'x\n' } }, { hold: `never-${name}`, run: 'true' }];
  const { id } = await world.submitOne(acts, {}, words);
  const task = await world.task(id, 'T1', 'working');
  await world.until('the file', () =>
    world.journal.facts.some((fact) => fact.kind === 'file.changed' && fact.data.path.endsWith(`${name}-half.txt`)),
  );
  // The model plays the last script that it is shown.
  const note = `${NOTE} ${other.play({ write: { path: `${name}-rest.txt`, content: 'y\n' } }, { text: 'whole' })}`;
  const args = ['agent', 'handoff', task.agent ?? '', '--to', other.backend, '--note', note, '--json'];
  expect(await world.gantry(args)).toMatchObject({ code: 0 });
  await cut();
  const request = await world.over(id);
  expect(request.result?.filesChanged.map(({ path }) => path)).toEqual([`${name}-half.txt`, `${name}-rest.txt`]);
  const attempts = [...world.journal.view.attempts.values()].filter(({ requestId }) => requestId === id);
  const [first, second] = attempts;
  expect(attempts).toHaveLength(2);
  expect(second).toMatchObject({ agent: first?.agent, workspace: first?.workspace, backend: other.backend });
  const asked = (await other.requests()).filter(({ text }) => text.includes(words));
  expect(asked[0]?.text).toMatch(new RegExp(`${NOTE}\\b[\\s\\S]*Branch: ${first?.branch}[\\s\\S]*${name}-half\\.txt`));
  expect(asked.map(({ text }) => text.split(NOTE).length - 1)).toEqual(asked.map(() => 1));
}

it('D3 a worker of Claude Code is handed to OpenCode, once more with the daemon killed in between', async () => {
  await using world = await World.make(claude, {}, [opencode]);
  const before = await settingsOf(world);
  await world.up();
  await handedOver(world, 'one', () => Promise.resolve());
  await handedOver(world, 'two', async () => {
    await world.kill();
    await world.up();
  });
  await commonCheck(world, before);
});
