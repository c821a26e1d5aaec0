import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempDir } from '../../test/support/temp.ts';
import { projectInstructions } from './project-instructions.ts';

const FILES = ['AGENTS.md'];

test('the project’s AGENTS.md is read, bounded, and not through a link that leads out', async () => {
  await using dir = await tempDir();
  const project = join(dir.path, 'project');
  const file = join(project, 'AGENTS.md');
  await mkdir(project);
  expect(await projectInstructions(project, FILES)).toBeNull();

  await writeFile(join(dir.path, 'secret'), 'hush');
  await symlink(join(dir.path, 'secret'), file);
  expect(await projectInstructions(project, FILES)).toBeNull();

  const other = join(dir.path, 'other');
  await mkdir(join(other, 'AGENTS.md'), { recursive: true });
  expect(await projectInstructions(other, FILES)).toBeNull();

  const third = join(dir.path, 'third');
  await mkdir(third);
  await writeFile(join(third, 'CLAUDE.md'), 'Be kind.');
  await symlink('CLAUDE.md', join(third, 'AGENTS.md'));
  expect(await projectInstructions(third, FILES)).toBe('Instructions from: AGENTS.md\nBe kind.');
  await writeFile(join(third, 'CLAUDE.md'), 'x'.repeat(1_000_000));
  expect((await projectInstructions(third, FILES))?.length).toBeLessThan(66_000);
  expect(await projectInstructions(third, ['none.md', 'CLAUDE.md'])).toMatch(/^Instructions from: CLAUDE.md\nxxx/);
});
