import { ResourceNotFoundError } from '@modelcontextprotocol/server';
import type { Client } from '../client/client.ts';
import { toAppError } from '../contract/errors.ts';
import { SessionId } from '../contract/ids.ts';

/** Tasks whose work is listed. All others are reached by their templates. */
const LISTED = 20;
const MAX_DIFF_BYTES = 1_000_000;
const JSON_TYPE = 'application/json';
const DIFF_TYPE = 'text/x-diff';

export const RESOURCE_TEMPLATES = [
  { uriTemplate: 'gantry://tasks/{task_id}/diff', name: 'task-diff', title: 'The work of a task', mimeType: DIFF_TYPE },
  {
    uriTemplate: 'gantry://tasks/{task_id}/history',
    name: 'task-history',
    title: 'What happened to a task, and its output',
    mimeType: JSON_TYPE,
  },
  {
    uriTemplate: 'gantry://sessions/{session_id}/transcript',
    name: 'session-transcript',
    title: 'The conversation of a session',
    mimeType: JSON_TYPE,
  },
] as const;

/** The newest tasks of the caller: their work and what happened. */
export async function listResources(client: Client) {
  const { items } = await client.call('delegations.list', { limit: LISTED });
  return items.flatMap(({ id, description, status }) => {
    const words = `${description.split('\n', 1)[0]?.slice(0, 80)} (${status})`;
    return [
      { uri: `gantry://tasks/${id}/diff`, name: `${id} diff`, title: words, mimeType: DIFF_TYPE },
      { uri: `gantry://tasks/${id}/history`, name: `${id} history`, title: words, mimeType: JSON_TYPE },
    ];
  });
}

/** @throws ResourceNotFoundError for what is not there or not the caller's; AppError of the daemon for all else */
export async function readResource(client: Client, uri: string) {
  const [, kind, id = '', part] = /^gantry:\/\/(tasks|sessions)\/([\w-]{1,80})\/(\w+)$/.exec(uri) ?? [];
  try {
    const read = await textOf(client, `${kind}/${part}`, id);
    if (read === null) throw new ResourceNotFoundError(uri);
    return { contents: [{ uri, ...read }] };
  } catch (error) {
    if (toAppError(error).code !== 'not_found') throw error;
    throw new ResourceNotFoundError(uri);
  }
}

async function textOf(client: Client, what: string, id: string): Promise<{ mimeType: string; text: string } | null> {
  const json = (value: object) => ({ mimeType: JSON_TYPE, text: JSON.stringify(value, null, 2) });
  switch (what) {
    case 'tasks/diff':
      return {
        mimeType: DIFF_TYPE,
        text: (await client.call('delegations.diff', { id, maxBytes: MAX_DIFF_BYTES })).diff,
      };
    case 'tasks/history':
      return json(await client.call('delegations.history', { id, limit: -1, withArtifacts: 'true' }));
    case 'sessions/transcript': {
      const session = SessionId.safeParse(id).data;
      return session === undefined ? null : json(await client.call('sessions.transcript', { id: session }));
    }
    default:
      return null;
  }
}
