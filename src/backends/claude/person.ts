import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendContext, Loan, OpenSpec } from '../backend.ts';
import type { LentTerminals } from '../lent-terminal.ts';
import { argumentsOf, commandOf, configDirectoryIn, environmentOf, makeOwn, ownDirectory } from './launch.ts';
import { holderOf } from './resume.ts';
import { Transcript } from './transcript.ts';

/** The directory of a conversation is one that Gantry has made or was shown; what is printed can be scrolled back to. */
const TERMINAL = {
  CLAUDE_CODE_SANDBOXED: '1',
  CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN: '1',
  TERM: 'xterm-256color',
};
/** It knows an approved key by its end. */
const KEY_END_CHARS = 20;

/** The program's own screen on a conversation that is closed here. Whoever sits at it answers what it asks. */
export async function lendTo(
  terminals: LentTerminals,
  spec: OpenSpec,
  nativeId: string,
  instructions: string | null,
  context: BackendContext,
): Promise<Loan> {
  const { home, settings } = context;
  const env = environmentOf(spec, context);
  const configDirectory = configDirectoryIn(env);
  if (settings.profile === 'private') await answerFirstQuestions(configDirectory, env.ANTHROPIC_API_KEY ?? '');
  const own = ownDirectory(home);
  const variables = await makeOwn(own, spec.mcp, settings.env ?? {});
  // Kept from its first prompt on: before that it is begun under the id that it is to have.
  const isKnown = (await new Transcript(configDirectory, nativeId).directory()) !== null;
  return await terminals.lend({
    nativeId,
    title: spec.title,
    command: [
      ...commandOf(context),
      ...argumentsOf(spec, context, own),
      ...(instructions === null ? [] : ['--append-system-prompt', instructions]),
      ...[isKnown ? '--resume' : '--session-id', nativeId],
    ],
    cwd: spec.directory,
    env: { ...env, ...TERMINAL, ...variables },
    own,
    isReady: async () => (await holderOf(nativeId, configDirectory))?.status === 'idle',
  });
}

/** In a home of its own nobody has been welcomed yet; in the user's own nothing is written. */
async function answerFirstQuestions(configDirectory: string, key: string): Promise<void> {
  const path = join(configDirectory, '.claude.json');
  const known: unknown = JSON.parse(
    await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      // What is there and cannot be read is not written over.
      if (error.code !== 'ENOENT') throw error;
      return '{}';
    }),
  );
  const before = typeof known === 'object' && known !== null ? known : {};
  const approved = { approved: [key.slice(-KEY_END_CHARS)], rejected: [] };
  const after = { ...before, hasCompletedOnboarding: true, customApiKeyResponses: approved };
  const draft = `${path}.${process.pid}.new`;
  await writeFile(draft, JSON.stringify(after), { mode: 0o600 });
  await rename(draft, path);
}
