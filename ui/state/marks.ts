export type Tone = 'good' | 'bad' | 'busy' | 'ask' | 'dim';
export type Shape = 'ring' | 'dot' | 'turning' | 'check' | 'cross' | 'pause' | 'warning';
export type Mark = { readonly tone: Tone; readonly shape: Shape };

const mark = (tone: Tone, shape: Shape): Mark => ({ tone, shape });

/** How a state looks: of requests, tasks, attempts, sessions, agents, approvals, checks, messages, merges and verdicts. */
const MARKS: Readonly<Record<string, Mark>> = {
  planning: mark('busy', 'turning'),
  running: mark('busy', 'turning'),
  working: mark('busy', 'turning'),
  busy: mark('busy', 'turning'),
  starting: mark('busy', 'turning'),
  compacting: mark('busy', 'turning'),
  verifying: mark('busy', 'turning'),
  stopping: mark('busy', 'turning'),
  merging: mark('busy', 'turning'),
  conflict: mark('busy', 'warning'),
  assigned: mark('busy', 'dot'),
  planned: mark('busy', 'ring'),
  ready: mark('dim', 'dot'),
  queued: mark('dim', 'ring'),
  blocked: mark('dim', 'ring'),
  deferred: mark('dim', 'ring'),
  idle: mark('dim', 'ring'),
  unknown: mark('dim', 'ring'),
  cancelled: mark('dim', 'cross'),
  superseded: mark('dim', 'cross'),
  stopped: mark('dim', 'dot'),
  withdrawn: mark('dim', 'cross'),
  paused: mark('ask', 'pause'),
  waiting: mark('ask', 'warning'),
  pending: mark('ask', 'warning'),
  reviewing: mark('ask', 'warning'),
  changes: mark('ask', 'warning'),
  stuck: mark('ask', 'warning'),
  lost: mark('ask', 'warning'),
  'waiting-approval': mark('ask', 'warning'),
  'waiting-answer': mark('ask', 'warning'),
  'waiting-quota': mark('ask', 'pause'),
  delivered: mark('busy', 'dot'),
  seen: mark('good', 'check'),
  replied: mark('good', 'check'),
  refused: mark('bad', 'cross'),
  expired: mark('bad', 'cross'),
  denied: mark('bad', 'cross'),
  rejected: mark('bad', 'cross'),
  failed: mark('bad', 'cross'),
  error: mark('bad', 'cross'),
  done: mark('good', 'check'),
  merged: mark('good', 'check'),
  approve: mark('good', 'check'),
  allowed: mark('good', 'check'),
  answered: mark('good', 'check'),
  met: mark('good', 'check'),
  ok: mark('good', 'check'),
};

export const markOf = (state: string): Mark => MARKS[state] ?? mark('dim', 'ring');

/** The hue of a session, the same in every view and after every reload: degrees. */
export function hueOf(id: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 16_777_619);
  // Steps of the golden angle keep ids that differ little apart.
  return Math.round(((hash >>> 0) % 1_024) * 137.508) % 360;
}
