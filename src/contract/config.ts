import { z } from 'zod';
import { PolicyRule } from './approval.ts';
import { Duration } from './duration.ts';
import { BackendId } from './ids.ts';
import { ContainerSettings, Isolation, WallSettings } from './isolation.ts';
import { LettaSettings } from './letta.ts';
import { MatrixSettings } from './matrix.ts';
import { NodeName } from './node.ts';
import { PluginMode } from './plugin.ts';
import { WebhookSettings } from './webhook.ts';

const positive = z.number().int().positive();

export const BackendSettings = z.strictObject({
  /** The program and its first arguments. Default: the program's usual name on PATH. */
  command: z.array(z.string()).min(1).optional(),
  /** An agent that speaks the Agent Client Protocol on its stdio: the program and its arguments. Makes this an ACP backend. */
  acp: z.array(z.string()).min(1).optional(),
  /** Not here, but on the node of this name, under the program's own name there. docs/nodes.md */
  node: NodeName.optional(),
  /** Attach to a server that is already running instead of starting one (opencode). */
  url: z.url().optional(),
  /** Model of this backend, `provider/model`, when neither task nor role names one. */
  model: z.string().optional(),
  /** `user`: the person's own configuration and login of the program. `private`: an empty home of its own. */
  profile: z.enum(['user', 'private']).optional(),
  /** Further configuration for the program itself, merged over its own (opencode: its JSON configuration; acp: `mode` and `options`). */
  config: z.record(z.string(), z.unknown()).optional(),
  /** Further variables for the program. Values are taken as they are. */
  env: z.record(z.string(), z.string()).optional(),
  /** How long a start may take. */
  startLimit: Duration.optional(),
  /** How many sessions at once. */
  maxSessions: positive.optional(),
});
export type BackendSettings = z.infer<typeof BackendSettings>;

/** What an agent may do to others: end their turn, give out work, write to all of them. */
export const RoleRight = z.enum(['interrupt', 'assign', 'broadcast']);
export type RoleRight = z.infer<typeof RoleRight>;

/** What follows when a role's backend cannot be used: a person is asked, the next of the chain takes over, or the work waits. */
export const Fallback = z.strictObject({
  mode: z.enum(['ask', 'auto', 'off']).optional(),
  /** Backends in the order in which they are tried. */
  chain: z.array(BackendId).optional(),
});
export type Fallback = z.infer<typeof Fallback>;

/** What may be spent. What is unknown (the cost of an unpriced model) does not count, and is shown as unknown. */
export const Budget = z.strictObject({
  usd: z.number().positive().optional(),
  /** Of every kind together. */
  tokens: positive.optional(),
  /** Wall time of attempts. */
  time: Duration.optional(),
  attempts: positive.optional(),
});
export type Budget = z.infer<typeof Budget>;

export const RoleSettings = z.strictObject({
  backend: BackendId.optional(),
  model: z.string().optional(),
  /** Added to the first prompt of every task of this role. */
  prompt: z.string().optional(),
  /** May not change files or run commands that are not read-only. */
  isReadOnly: z.boolean().optional(),
  /** Names of the daemon's variables that agents of this role may see. */
  env: z.array(z.string()).optional(),
  may: z.array(RoleRight).optional(),
  /** At least that, for agents of this role. */
  isolation: Isolation.optional(),
  /** How many sessions of this role at once. */
  maxSessions: positive.optional(),
  /** So many in each project stand ready, with a workspace and an open session, before there is a task for them. */
  warm: z.number().int().min(0).max(50).optional(),
  /** How many agents: as many as there is work (`many`), one in each project, or one for the whole plane. */
  instances: z.enum(['many', 'project', 'plane']).optional(),
  /** An agent that stands by and has nothing to do for so long lets its program go; 0: never. Without it 15 minutes. */
  idleClose: Duration.optional(),
  fallback: Fallback.optional(),
  /** Of all its agents, each day (UTC). */
  budget: Budget.optional(),
  maxAttempts: positive.optional(),
  timeout: Duration.optional(),
  /** In place of `limits.taskUsd`. */
  taskUsd: z.number().positive().optional(),
});
export type RoleSettings = z.infer<typeof RoleSettings>;

export const PlannerSettings = z.strictObject({
  /** `provider/model` asked directly; without it the default backend's own model plans. */
  model: z.string().optional(),
  endpoint: z.url().optional(),
  temperature: z.number().min(0).max(2).optional(),
  /** Name of the variable that holds the key; default by provider. */
  credential: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/, 'the NAME of a variable, not a key')
    .optional(),
  maxTasks: z.number().int().min(1).max(20).optional(),
  timeout: Duration.optional(),
  /** Added to the planner's instructions. */
  promptFile: z.string().optional(),
  isOff: z.boolean().optional(),
  budgetUsd: z.number().positive().optional(),
  maxAttempts: positive.optional(),
});
export type PlannerSettings = z.infer<typeof PlannerSettings>;

export const Limits = z.strictObject({
  /** Attempts at once, whole daemon. */
  maxParallel: positive.optional(),
  /** Attempts at once in one project. */
  maxPerProject: positive.optional(),
  /** No new agent starts while less memory than this would be free, bytes; 0 turns it off. */
  memoryReserve: z.number().int().nonnegative().optional(),
  maxAttempts: positive.optional(),
  verifyRounds: z.number().int().nonnegative().optional(),
  taskTimeout: Duration.optional(),
  approvalTimeout: Duration.optional(),
  commandTimeout: Duration.optional(),
  retryBackoff: Duration.optional(),
  /** A turn without a word for so long is reported as stuck, and goes on. */
  stuckAfter: Duration.optional(),
  /** A program without any sign of life for so long, in a turn, is ended. */
  hungAfter: Duration.optional(),
  requestUsd: z.number().positive().optional(),
  taskUsd: z.number().positive().optional(),
  maxWorkspacesPerProject: positive.optional(),
  /** A node that is away for so long has lost its agents: their work begins anew elsewhere, and what it still says counts for nothing. */
  nodeLease: Duration.optional(),
});
export type Limits = z.infer<typeof Limits>;

export const Retention = z.strictObject({
  stream: Duration.optional(),
  observation: Duration.optional(),
  state: Duration.optional(),
  /** Over this size the oldest observations go first. */
  maxBytes: positive.optional(),
});

/** A command that must succeed on the merged content before the target moves. */
export const Gate = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,40}$/, '1 to 40 letters, digits, dots and dashes'),
  command: z.string().min(1),
  timeout: Duration.optional(),
});
export type Gate = z.infer<typeof Gate>;

/** How finished work comes to the target branch. */
export const MergeSettings = z.strictObject({
  /** A request that is done joins the queue by itself. */
  isAuto: z.boolean().optional(),
  /** The branch that work is merged to; default: the one that is checked out in the project. */
  target: z.string().min(1).optional(),
  /** Name of the remote whose branch is the target; without it the target is the local branch. */
  remote: z
    .string()
    .regex(/^[\w.-]+$/, 'the name of a remote')
    .optional(),
  /** `merge`: a merge commit per request; `squash`: one plain commit. */
  strategy: z.enum(['merge', 'squash']).optional(),
  gates: z.array(Gate).max(20).optional(),
  /** How many are tried together. */
  maxBatch: positive.optional(),
  /** How long the first one waits for others while the project still works on some. */
  batchWait: Duration.optional(),
  /** How often one may go back into line. */
  maxRetries: positive.optional(),
  /** So many approving verdicts are needed before it joins the line. */
  approvals: z.number().int().nonnegative().optional(),
  /** The role, a read-only one, whose agents are asked for verdicts; without it people and agents give them unasked. */
  reviewRole: z.string().optional(),
  /** How many agents are asked; default: as many as approvals are needed. */
  reviewers: positive.optional(),
  /** Verdicts that are missing after it count as `changes`. */
  reviewTimeout: Duration.optional(),
});
export type MergeSettings = z.infer<typeof MergeSettings>;

/** Of tasks that other programs hand over. */
export const DelegationSettings = z.strictObject({
  /** How many may wait for a place. */
  maxQueued: positive.optional(),
  /** Of a task that names none. */
  timeout: Duration.optional(),
  /** Largest file of a workspace that is read for a caller. */
  maxFileBytes: positive.optional(),
  /** Files that are never read for a caller: globs over the path in the workspace, case ignored. */
  deniedFiles: z.array(z.string().min(1).max(200)).max(100).optional(),
});

/** What outside programs report (docs/events.md). */
export const ObserveSettings = z.strictObject({
  /** What an acknowledged event survives: the death of the process, or the loss of power too. Read at the start. */
  durability: z.enum(['process', 'power']).optional(),
  /** Take events without a token from programs of this machine, never from browsers. */
  openIngest: z.boolean().optional(),
  /** Origins, beside those of this machine, whose pages may use `/view/…` and `/in/…`. */
  origins: z.array(z.string().regex(/^https?:\/\/[^/]+$/, 'an origin: http://host:port')).optional(),
  /** Hosts, beside this machine, to which answers may be sent: `host` or `host:port`. */
  answerHosts: z.array(z.string().min(1)).optional(),
  /** Regular expressions; what they match is masked as a secret. Read at the start. */
  secretPatterns: z.array(z.string().refine(isRegExp, 'not a regular expression')).optional(),
  /** Of one event, and of one body. Read at the start. */
  maxEventBytes: z.number().int().min(1_000).max(64_000_000).optional(),
  /** Events in one body. Read at the start. */
  maxBatch: z.number().int().min(1).max(10_000).optional(),
});

function isRegExp(text: string): boolean {
  try {
    return new RegExp(text, 'g') instanceof RegExp;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return false;
  }
}

/** The configuration file. Every object is strict: an unknown key is refused with the nearest name. */
export const Config = z.strictObject({
  $schema: z.string().optional(),
  defaultBackend: BackendId.optional(),
  defaultRole: z.string().optional(),
  backends: z.record(BackendId, BackendSettings).optional(),
  roles: z
    .record(z.string().regex(/^[\w.-]{1,40}$/, '1 to 40 letters, digits, dots and dashes'), RoleSettings)
    .optional(),
  planner: PlannerSettings.optional(),
  policy: z
    .strictObject({ default: z.enum(['allow', 'deny', 'ask']).optional(), rules: z.array(PolicyRule).optional() })
    .optional(),
  limits: Limits.optional(),
  retention: Retention.optional(),
  observe: ObserveSettings.optional(),
  budgets: z
    .strictObject({
      request: Budget.optional(),
      task: Budget.optional(),
      /** Each project, each day (UTC). */
      project: Budget.optional(),
      /** Everything together, each day (UTC). */
      day: Budget.optional(),
    })
    .optional(),
  /** US dollars for a million tokens, for models whose agent program reports no cost; before those of the built-in table. */
  prices: z
    .strictObject({
      date: z.iso.date(),
      source: z.string().min(1),
      models: z.record(
        z.string(),
        z.strictObject({
          input: z.number().nonnegative(),
          output: z.number().nonnegative(),
          cacheRead: z.number().nonnegative().optional(),
          cacheWrite: z.number().nonnegative().optional(),
        }),
      ),
    })
    .optional(),
  /** Run in every new workspace before the agent starts. */
  setup: z.strictObject({ command: z.string(), timeout: Duration.optional() }).optional(),
  merge: MergeSettings.optional(),
  /** What stands between agents, with their setup, checks and gates, and the machine: at least that. */
  isolation: Isolation.optional(),
  walls: WallSettings.optional(),
  container: ContainerSettings.optional(),
  /** Models that may not, or may only, be used: `provider/model` or bare ids. */
  models: z
    .strictObject({ deny: z.array(z.string()).optional(), allowOnly: z.array(z.string()).optional() })
    .optional(),
  delegation: DelegationSettings.optional(),
  server: z.strictObject({ port: z.number().int().min(0).max(65535).optional() }).optional(),
  /** What the OpenCode plugin does in a person's own sessions. */
  plugin: z.strictObject({ mode: PluginMode.optional() }).optional(),
  /** OpenTelemetry spans: the address of a collector for OTLP over HTTP, such as http://127.0.0.1:4318. */
  traces: z.strictObject({ endpoint: z.url({ protocol: /^https?$/ }).optional() }).optional(),
  /** A Letta agent that is shown every task and told of its end. */
  letta: LettaSettings.optional(),
  /** A Matrix account that shows every task in a room and takes commands there. */
  matrix: MatrixSettings.optional(),
  /** Receivers outside that are told what happens, by a name of yours. */
  webhooks: z
    .record(z.string().regex(/^[\w-]{1,40}$/, '1 to 40 letters, digits and dashes'), WebhookSettings)
    .optional(),
});
export type Config = z.infer<typeof Config>;

/** Where a value came from, lowest first. */
export const CONFIG_LAYERS = ['built-in', 'user', 'project', 'environment', 'flag'] as const;
export type ConfigLayer = (typeof CONFIG_LAYERS)[number];
