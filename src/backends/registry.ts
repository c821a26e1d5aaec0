import { AppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import type { Backend, BackendContext } from './backend.ts';
import { createClaudeBackend } from './claude/claude.ts';
import { createFakeBackend } from './fake/backend.ts';
import { createOpencodeBackend } from './opencode/opencode.ts';

/** Every kind of agent program that Gantry drives. A new one is one line here. */
const KINDS = new Map<string, (context: BackendContext) => Backend>([
  ['fake', createFakeBackend],
  ['opencode', createOpencodeBackend],
  ['claude', createClaudeBackend],
]);

/**
 * The backends of a configuration, in its order. An id is its kind (`fake`) or begins with it (`fake-slow`), so that one
 * program may be driven with several settings.
 * @throws AppError `backend_unknown`, naming the kinds; `bad_config`.
 */
export function createBackends(
  ids: readonly BackendId[],
  makeContext: (id: BackendId) => BackendContext,
): ReadonlyMap<BackendId, Backend> {
  return new Map(
    ids.map((id) => {
      const create = KINDS.get(id) ?? KINDS.get(id.split('-')[0] ?? '');
      if (!create)
        throw new AppError('backend_unknown', `there is no backend "${id}"; known: ${[...KINDS.keys()].join(', ')}`);
      return [id, create(makeContext(id))];
    }),
  );
}
