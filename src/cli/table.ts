import type { Row } from './command.ts';

export const GROUPS = ['Work', 'Look', 'Control', 'Permissions', 'Agents', 'Merge', 'Setup', 'Daemon'] as const;

const row = (group: (typeof GROUPS)[number] | null, name: string, summary: string, load: Row['load']): Row => ({
  name,
  summary,
  group,
  load,
});

/** Every command. Help, completion and the tests come from this table. */
export const COMMANDS: readonly Row[] = [
  row('Work', 'run', 'plan a request and carry it out', async () => (await import('./commands/run.ts')).run),
  row('Work', 'plan', 'make the plan only; nothing is run', async () => (await import('./commands/plan.ts')).plan),
  row(
    'Work',
    'sling',
    'give one task to an agent, made if need be',
    async () => (await import('./commands/sling.ts')).sling,
  ),
  row('Work', 'exec', 'one prompt to one agent, one answer', async () => (await import('./commands/exec.ts')).exec),

  row('Look', 'requests', 'list requests', async () => (await import('./commands/requests.ts')).requests),
  row('Look', 'tasks', 'list tasks', async () => (await import('./commands/tasks.ts')).tasks),
  row(
    'Look',
    'show',
    'show a request, task, session, approval or merge',
    async () => (await import('./commands/show.ts')).show,
  ),
  row('Look', 'queue', 'what waits, and why', async () => (await import('./commands/queue.ts')).queue),
  row(
    'Look',
    'budgets',
    'limits, and what is spent and reserved of them',
    async () => (await import('./commands/budgets.ts')).budgets,
  ),
  row('Look', 'nodes', 'other machines that run agents', async () => (await import('./commands/node.ts')).nodes),
  row('Look', 'logs', 'what agents said and did', async () => (await import('./commands/logs.ts')).logs),
  row('Look', 'explain', 'why a thing is in its state', async () => (await import('./commands/explain.ts')).explain),
  row('Look', 'diff', 'the collected work of a request', async () => (await import('./commands/diff.ts')).diff),
  row('Look', 'events', 'the journal', async () => (await import('./commands/events.ts')).events),

  row(
    'Look',
    'history sessions',
    "conversations in the agent programs' own stores",
    async () => (await import('./commands/history.ts')).sessions,
  ),
  row(
    'Look',
    'history messages',
    'one of these conversations',
    async () => (await import('./commands/history.ts')).messages,
  ),
  row(
    'Look',
    'history search',
    'words in past conversations',
    async () => (await import('./commands/history.ts')).search,
  ),
  row(
    'Look',
    'history export',
    'a whole conversation as Markdown or JSON',
    async () => (await import('./commands/history.ts')).exportSession,
  ),

  row('Control', 'cancel', 'cancel a request or task', async () => (await import('./commands/control.ts')).cancel),
  row('Control', 'pause', 'pause a request', async () => (await import('./commands/control.ts')).pause),
  row(
    'Control',
    'resume',
    'let a paused or planned request go on',
    async () => (await import('./commands/control.ts')).resume,
  ),
  row(
    'Control',
    'estop',
    'emergency stop: turns end, nothing starts, work is kept',
    async () => (await import('./commands/estop.ts')).estop,
  ),
  row('Control', 'thaw', 'end an emergency stop', async () => (await import('./commands/estop.ts')).thaw),
  row('Control', 'retry', 'try a request or task again', async () => (await import('./commands/control.ts')).retry),

  row(
    'Permissions',
    'approvals',
    'what waits for your answer',
    async () => (await import('./commands/approvals.ts')).approvals,
  ),
  row(
    'Permissions',
    'approve',
    'allow what an agent asked for',
    async () => (await import('./commands/approve.ts')).approve,
  ),
  row('Permissions', 'deny', 'deny what an agent asked for', async () => (await import('./commands/deny.ts')).deny),
  row('Permissions', 'answer', "answer an agent's question", async () => (await import('./commands/answer.ts')).answer),
  row(
    'Permissions',
    'grants',
    'standing permissions; take one back',
    async () => (await import('./commands/grants.ts')).grants,
  ),
  row(
    'Permissions',
    'policy test',
    'what the policy would do, and by which rule',
    async () => (await import('./commands/policy.ts')).policyTest,
  ),

  row('Agents', 'agents', 'list agents', async () => (await import('./commands/agents.ts')).agents),
  row(
    'Agents',
    'agent start',
    'give an agent a session without a task',
    async () => (await import('./commands/agent.ts')).start,
  ),
  row(
    'Agents',
    'agent stop',
    'end the session of an agent and all that it started',
    async () => (await import('./commands/agent.ts')).stop,
  ),
  row(
    'Agents',
    'agent peek',
    'what an agent does now, without disturbing it',
    async () => (await import('./commands/agent.ts')).peek,
  ),
  row(
    'Agents',
    'agent attach',
    'join the conversation of an agent',
    async () => (await import('./commands/agent.ts')).attach,
  ),
  row(
    'Agents',
    'agent fork',
    'copy an agent’s conversation into a new agent',
    async () => (await import('./commands/agent.ts')).fork,
  ),
  row(
    'Agents',
    'agent handoff',
    'hand an agent over to another program or a new session',
    async () => (await import('./commands/agent.ts')).handoff,
  ),
  row(
    'Agents',
    'prime',
    'what an agent should know at its start',
    async () => (await import('./commands/agent.ts')).prime,
  ),
  row(
    'Agents',
    'escalate',
    'tell those who coordinate that something blocks',
    async () => (await import('./commands/agent.ts')).escalate,
  ),
  row('Agents', 'send', 'send a message to an agent', async () => (await import('./commands/send.ts')).send),
  row(
    'Agents',
    'broadcast',
    'send a message to every agent',
    async () => (await import('./commands/broadcast.ts')).broadcast,
  ),
  row(
    'Agents',
    'inbox',
    'your messages or those of an agent; read, reply, archive',
    async () => (await import('./commands/inbox.ts')).inbox,
  ),

  row(
    'Merge',
    'merge add',
    'put the work of a request into the merge queue',
    async () => (await import('./commands/merge.ts')).add,
  ),
  row('Merge', 'merge ls', 'the merge queue', async () => (await import('./commands/merge.ts')).ls),
  row(
    'Merge',
    'merge review',
    'approve work, or ask for changes',
    async () => (await import('./commands/merge.ts')).review,
  ),
  row(
    'Merge',
    'merge retry',
    'put rejected work into line again',
    async () => (await import('./commands/merge.ts')).retry,
  ),
  row(
    'Merge',
    'merge withdraw',
    'take work out of the merge queue',
    async () => (await import('./commands/merge.ts')).withdraw,
  ),

  row('Setup', 'project add', 'register a git repository', async () => (await import('./commands/project.ts')).add),
  row('Setup', 'project ls', 'list projects', async () => (await import('./commands/project.ts')).ls),
  row(
    'Setup',
    'project rm',
    'forget a project; its files stay',
    async () => (await import('./commands/project.ts')).rm,
  ),
  row(
    'Setup',
    'config explain',
    'every setting and where it comes from',
    async () => (await import('./commands/config.ts')).explain,
  ),
  row(
    'Setup',
    'config schema',
    'the JSON Schema of the configuration',
    async () => (await import('./commands/config.ts')).schema,
  ),
  row(
    'Setup',
    'import rozet',
    'take over a providers.yaml of Rozet',
    async () => (await import('./commands/import.ts')).rozet,
  ),
  row(
    'Setup',
    'plugin install',
    'observe opencode or claude wherever you run it',
    async () => (await import('./commands/plugin.ts')).install,
  ),
  row(
    'Setup',
    'plugin uninstall',
    'take that out again; nothing is left',
    async () => (await import('./commands/plugin.ts')).uninstall,
  ),
  row('Setup', 'plugin status', 'where it is installed', async () => (await import('./commands/plugin.ts')).status),
  row(
    'Setup',
    'import gastown',
    'take over settings of a town or rig of Gastown',
    async () => (await import('./commands/import.ts')).gastown,
  ),
  row(
    'Setup',
    'import events',
    'take over the events.db of the hooks observability server',
    async () => (await import('./commands/import-events.ts')).events,
  ),
  row(
    'Setup',
    'webhooks',
    'state and last error of webhooks; test one, or tell it again',
    async () => (await import('./commands/webhooks.ts')).webhooks,
  ),
  row(
    'Setup',
    'hook',
    "leave a hook's event from standard input for the daemon",
    async () => (await import('./commands/hook.ts')).hook,
  ),
  row(
    'Setup',
    'completion',
    'a completion script for your shell',
    async () => (await import('./commands/completion.ts')).completion,
  ),

  row('Daemon', 'up', 'start the daemon', async () => (await import('./commands/up.ts')).up),
  row(
    'Daemon',
    'down',
    'stop the daemon; work goes on at the next start',
    async () => (await import('./commands/down.ts')).down,
  ),
  row('Daemon', 'status', 'is the daemon running?', async () => (await import('./commands/status.ts')).status),
  row('Daemon', 'open', 'open the dashboard', async () => (await import('./commands/open.ts')).open),
  row('Daemon', 'token', 'make an access token', async () => (await import('./commands/token.ts')).token),
  row('Daemon', 'mcp', 'speak MCP on standard input and output', async () => (await import('./commands/mcp.ts')).mcp),
  row('Daemon', 'acp', 'be an agent of an editor that speaks ACP', async () => (await import('./commands/acp.ts')).acp),
  row('Daemon', 'doctor', 'check that everything works', async () => (await import('./commands/doctor.ts')).doctor),
  row(
    'Daemon',
    'image build',
    'make the image of isolation "container"',
    async () => (await import('./commands/image.ts')).build,
  ),
  row(
    'Daemon',
    'model serve',
    'the scripted model on its own',
    async () => (await import('./commands/model.ts')).serve,
  ),

  row(
    'Daemon',
    'node join',
    'run agents on this machine for another Gantry',
    async () => (await import('./commands/node.ts')).join,
  ),

  row(null, 'repl', 'the interactive prompt', async () => (await import('./commands/repl.ts')).repl),
  row(null, 'demo', 'the main job on the scripted model', async () => (await import('./commands/demo.ts')).demo),
];
