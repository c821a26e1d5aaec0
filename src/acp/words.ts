import type {
  ContentBlock,
  PlanEntry,
  RequestPermissionRequest,
  SessionUpdate,
  ToolKind,
} from '@agentclientprotocol/sdk';
import type { Approval } from '../contract/approval.ts';
import type { Fact } from '../contract/fact.ts';
import type { RequestDetail } from '../contract/shapes.ts';
import type { Task } from '../contract/task.ts';

/** What a prompt of an editor says in words: a linked file is named, an embedded one comes with its content. */
export function promptText(blocks: readonly ContentBlock[]): string {
  return blocks
    .map((block) => {
      if (block.type === 'text') return block.text;
      if (block.type === 'resource_link') return block.uri;
      if (block.type === 'resource' && 'text' in block.resource) return `${block.resource.uri}\n${block.resource.text}`;
      return `[${block.type}]`;
    })
    .join('\n')
    .trim();
}

/** `@project/role/name words`: a message to an agent instead of a request; null if it is none. */
export function addressed(text: string): { readonly to: string; readonly text: string } | null {
  const match = /^@([\w.-]+\/[\w.-]+\/[\w.-]+)\s+(\S[\s\S]*)$/.exec(text);
  return match ? { to: match[1] ?? '', text: match[2] ?? '' } : null;
}

export const say = (text: string): SessionUpdate => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
});

export function planEntries(tasks: readonly Task[]): PlanEntry[] {
  return tasks.map(({ label, title, state }) => ({
    content: `${label} ${title}`,
    priority: 'medium',
    status: state === 'done' ? 'completed' : QUIET.has(state) ? 'pending' : 'in_progress',
  }));
}

/** Nobody works on it. */
const QUIET: ReadonlySet<Task['state']> = new Set(['blocked', 'ready', 'deferred', 'failed', 'cancelled']);

/** What an agent does, as an editor shows it; null for what it has no form for. */
export function updateOf(fact: Fact): SessionUpdate | null {
  const by = fact.agent === null ? '' : `${fact.agent.split('/').at(-1)}: `;
  switch (fact.kind) {
    case 'text':
      return { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: `${by}${fact.data.text}\n\n` } };
    case 'tool.started':
      return {
        sessionUpdate: 'tool_call',
        toolCallId: callId(fact.sessionId, fact.data.callId),
        title: `${by}${fact.data.title || fact.data.tool}`,
        kind: KINDS[fact.data.tool] ?? 'other',
        status: 'in_progress',
        rawInput: fact.data.input,
      };
    case 'tool.ended':
      return {
        sessionUpdate: 'tool_call_update',
        toolCallId: callId(fact.sessionId, fact.data.callId),
        status: fact.data.status === 'completed' ? 'completed' : 'failed',
        content: [{ type: 'content', content: { type: 'text', text: fact.data.output } }],
      };
    default:
      return null;
  }
}

/** Two agents may number their calls alike. */
const callId = (sessionId: string | null, id: string): string => `${sessionId ?? 'none'}/${id}`;

const KINDS: Readonly<Record<string, ToolKind>> = {
  bash: 'execute',
  edit: 'edit',
  write: 'edit',
  read: 'read',
  list: 'read',
  grep: 'search',
  glob: 'search',
  webfetch: 'fetch',
};

/** The answers that an editor offers, and what each means. */
export const ANSWERS = {
  once: { kind: 'allow_once', name: 'Allow once' },
  session: { kind: 'allow_always', name: 'Allow for this session' },
  deny: { kind: 'reject_once', name: 'Deny' },
} as const;
export type Answer = keyof typeof ANSWERS;

/** The question of an agent as an editor's dialog; null for a question in words, for which ACP has no form. */
export function dialogOf(sessionId: string, approval: Approval): RequestPermissionRequest | null {
  if (approval.subject.type !== 'permission') return null;
  const { tool, command, patterns, diff } = approval.subject.call;
  const what = command ?? patterns.join(', ');
  return {
    sessionId,
    toolCall: {
      toolCallId: approval.id,
      title: `${approval.agent ?? approval.backend} · ${tool}: ${what}`,
      kind: KINDS[tool] ?? 'other',
      status: 'pending',
      rawInput: { tool, command, patterns },
      ...(diff !== null && { content: [{ type: 'content', content: { type: 'text', text: diff } }] }),
    },
    options: Object.entries(ANSWERS).map(([optionId, option]) => ({ optionId, ...option })),
  };
}

export function questionText({ id, subject }: Approval): string {
  const questions = subject.type === 'question' ? subject.questions : [];
  const lines = questions.map(({ question, options }) =>
    [question, ...options.map(({ label }) => `- ${label}`)].join('\n'),
  );
  return `${lines.join('\n')}\n\nAnswer it in a terminal: gantry answer ${id} "…"\n\n`;
}

/** The end of a request in words. */
export function resultText({ request }: RequestDetail): string {
  const { state, cause, failure, result, plan } = request;
  if (plan?.reply !== null && plan?.reply !== undefined) return plan.reply;
  if (state === 'planned') return `Planned; nothing was run. Carry it out: gantry resume ${request.id}`;
  if (state !== 'done') return `${request.id} ${state}: ${failure?.message ?? cause ?? 'no cause told'}`;
  const changed = (result?.filesChanged ?? []).map(({ path, status }) => `- ${status} ${path}`);
  const branch = result?.branch === null || result === null ? [] : [`The work is on the branch \`${result.branch}\`.`];
  return [result?.summary ?? 'Done.', ...branch, ...(changed.length > 0 ? [changed.join('\n')] : [])].join('\n\n');
}
