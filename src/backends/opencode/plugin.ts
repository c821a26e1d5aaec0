/**
 * Gantry's plugin for OpenCode 1.x: plain JavaScript that is written into the backend's home and loaded by `file://`. It
 * - keeps secrets of the server out of the agent's shell and of MCP servers, and gives the shell of each session its own
 *   variables (a sub-agent's session counts as its root);
 * - puts the session's instructions back when OpenCode drops them: the turn after a compaction has none;
 * - leaves of the permission rules of the user's own agents only those that deny: OpenCode reads them after the server's
 *   own, so that one `allow` there would pass by every question.
 *
 * A process of the same user can still read /proc/<server>/environ: this is hygiene, not isolation.
 */
export const PLUGIN_SOURCE = `import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const LIMIT_MS = 2000;
const MAX_DEPTH = 16;

const onlyDenials = (rules) => {
  if (rules === 'deny') return 'deny';
  if (typeof rules !== 'object' || rules === null) return {};
  const kept = Object.entries(rules).map(([key, rule]) => [key, onlyDenials(rule)]);
  return Object.fromEntries(kept.filter(([, rule]) => rule === 'deny' || Object.keys(rule).length > 0));
};

export default async ({ client }, { sessions, shell, permission }) => {
  const parents = new Map();
  const compacting = new Set();

  const parentOf = async (id) => {
    if (!parents.has(id)) {
      const { data } = await client.session.get({ path: { id }, signal: AbortSignal.timeout(LIMIT_MS) });
      if (!data) throw new Error('no session ' + id);
      parents.set(id, data.parentID ?? null);
    }
    return parents.get(id);
  };
  const rootOf = async (id) => {
    let root = id;
    for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
      const parent = await parentOf(root);
      if (parent === null) return root;
      root = parent;
    }
    throw new Error('too deep');
  };
  const ownOf = async (id) => JSON.parse(await readFile(join(sessions, id + '.json'), 'utf8'));

  return {
    config: async (config) => {
      config.permission = permission;
      for (const agent of Object.values(config.agent ?? {})) agent.permission = onlyDenials(agent.permission);
      for (const server of Object.values(config.mcp ?? {})) {
        if (server.type === 'local') server.environment = { ...shell, ...server.environment };
      }
    },
    'shell.env': async ({ sessionID }, output) => {
      Object.assign(output.env, shell);
      if (!sessionID) return;
      // A session that Gantry did not make has no file: its shell gets nothing more.
      const own = await rootOf(sessionID).then(ownOf).catch(() => null);
      if (own) Object.assign(output.env, own.env);
    },
    'experimental.session.compacting': async ({ sessionID }) => {
      compacting.add(sessionID);
    },
    'experimental.chat.system.transform': async ({ sessionID }, output) => {
      if (!sessionID || compacting.delete(sessionID)) return;
      const own = await ownOf(sessionID).catch(() => null);
      if (own?.instructions && !output.system.some((text) => text.includes(own.instructions))) {
        output.system.push(own.instructions);
      }
    },
  };
};
`;
