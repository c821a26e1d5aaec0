import { expect, test } from 'vitest';
import { opencodeBench } from '../../test/support/opencode.ts';
import { tempDir } from '../../test/support/temp.ts';
import { PROFILE_TOOLS, type ProfileTool } from '../backends/backend.ts';
import { connectHttp } from '../backends/opencode/http.ts';
import { tryBackend } from './doctor-backend.ts';

test('a trial of OpenCode leaves no conversation in its store', async () => {
  await using bench = await opencodeBench();
  await using scratch = await tempDir();
  const backend = bench.backend();
  const tools = Object.fromEntries(PROFILE_TOOLS.map((tool) => [tool, 'ask'])) as Record<ProfileTool, 'ask'>;
  const project = { id: 'doctor', path: scratch.path, isTrusted: false };
  // It keeps the one server up, and is what is left.
  await using other = await bench.open(backend, {
    directory: scratch.path,
    project,
    profile: { id: 'doctor', tools },
  });
  const checks = await tryBackend(backend, scratch.path);
  expect(checks.map(({ detail }) => detail)).toEqual(['it answered', 'it asked before it ran a command']);
  expect(bench.book.all()).toHaveLength(1);
  const { url, password } = bench.book.all()[0]?.data ?? {};
  const query = { directory: scratch.path };
  const { body } = await connectHttp(String(url), String(password)).send({ path: '/session', query });
  expect(body).toMatchObject([{ id: other.session.nativeId }]);
});
