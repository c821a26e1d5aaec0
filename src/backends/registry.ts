import type { BackendSettings } from '../contract/config.ts';
import { AppError } from '../contract/errors.ts';
import type { BackendId } from '../contract/ids.ts';
import { createAcpBackend } from './acp/acp.ts';
import type { Backend, BackendContext } from './backend.ts';
import { createClaudeBackend } from './claude/claude.ts';
import { createFakeBackend } from './fake/backend.ts';
import { createOpencodeBackend } from './opencode/opencode.ts';

/** Every kind of agent program that Gantry drives. A new one is one line here. */
const KINDS = new Map<string, (context: BackendContext) => Backend>([
  ['acp', createAcpBackend],
  ['fake', createFakeBackend],
  ['opencode', createOpencodeBackend],
  ['claude', createClaudeBackend],
]);

/** The kind of program that a backend drives: `opencode` for `opencode-big`. Null: there is none of that name. */
export function kindOf(id: BackendId, { acp }: Pick<BackendSettings, 'acp'>): string | null {
  if (acp) return 'acp';
  return [id, id.split('-')[0] ?? ''].find((kind) => KINDS.has(kind)) ?? null;
}

/**
 * The backends of a configuration, in its order. An id is its kind (`fake`) or begins with it (`fake-slow`), so that one
 * program may be driven with several settings; one with the setting `acp` has any name.
 * @throws AppError `backend_unknown`, naming the kinds; `bad_config`.
 */
export function createBackends(
  ids: readonly BackendId[],
  makeContext: (id: BackendId) => BackendContext,
): ReadonlyMap<BackendId, Backend> {
  return new Map(
    ids.map((id) => {
      const context = makeContext(id);
      const create = KINDS.get(kindOf(id, context.settings) ?? '');
      if (!create) {
        const known = `${[...KINDS.keys()].join(', ')}; any other needs the setting "acp"`;
        throw new AppError('backend_unknown', `there is no backend "${id}"; known: ${known}`);
      }
      return [id, create(context)];
    }),
  );
}
