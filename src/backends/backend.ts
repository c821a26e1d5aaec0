import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ApprovalSubject, Decision } from '../contract/approval.ts';
import type { BackendSettings } from '../contract/config.ts';
import type { ChildState, TurnOutcome } from '../contract/fact.ts';
import type { Failure } from '../contract/failure.ts';
import type { AttemptId, BackendId, PromptId, SessionId } from '../contract/ids.ts';
import type { MessageMode } from '../contract/message.ts';
import type { TranscriptItem } from '../contract/session.ts';
import type { Usage } from '../contract/usage.ts';
import type { Host, ProcessRecord } from '../hosts/host.ts';

/** What an agent program can do. Declared by the driver, observed by the conformance suite; never imitated. */
export const CAPABILITIES = [
  'resume',
  'fork',
  'steer',
  'interrupt',
  'questions',
  'children',
  'mcp',
  'reasoning',
  'cost',
  'transcript',
  'survivesRestart',
  'attach',
] as const;
export type Capability = (typeof CAPABILITIES)[number];
export type Capabilities = Readonly<Record<Capability, boolean>>;

export type Probe = {
  readonly isInstalled: boolean;
  readonly version: string | null;
  /** The executable, as it would be started; null if it was not found. */
  readonly executable: string | null;
  /** Why it cannot be used, in words with the remedy; null if it can. */
  readonly problem: string | null;
  /** Not wrong, but worth knowing: an untested minor version, a missing helper program. */
  readonly notices: readonly string[];
};

/** Tools whose use a profile decides. `*` stands for every tool that is not named, those of MCP servers included. */
export const PROFILE_TOOLS = [
  'read',
  'edit',
  'glob',
  'grep',
  'list',
  'bash',
  'task',
  'external_directory',
  'todowrite',
  'question',
  'webfetch',
  'websearch',
  'lsp',
  'doom_loop',
  'skill',
  '*',
] as const;
export type ProfileTool = (typeof PROFILE_TOOLS)[number];

/** What the program may do by itself, must ask Gantry for, or never gets. Equal profiles have equal ids. */
export type PermissionProfile = {
  readonly id: string;
  readonly tools: Readonly<Record<ProfileTool, 'allow' | 'ask' | 'deny'>>;
};

export type McpServer =
  | {
      readonly type: 'local';
      readonly command: readonly string[];
      readonly environment: Readonly<Record<string, string>>;
    }
  | { readonly type: 'remote'; readonly url: string; readonly headers: Readonly<Record<string, string>> };

export type OpenSpec = {
  readonly sessionId: SessionId;
  readonly attemptId: AttemptId | null;
  readonly title: string;
  /** Absolute; exists. The program works here. */
  readonly directory: string;
  readonly project: { readonly id: string; readonly path: string; readonly isTrusted: boolean };
  readonly profile: PermissionProfile;
  /** `provider/model`; null: the program's own default. */
  readonly model: string | null;
  /** Further variables for what the agent runs: `GANTRY_*` identity and what the role names. */
  readonly env: Readonly<Record<string, string>>;
  readonly mcp: Readonly<Record<string, McpServer>>;
  /** Added to the program's own instructions; survives compaction. */
  readonly instructions: string | null;
  readonly from:
    | { readonly type: 'new' }
    | { readonly type: 'resume'; readonly nativeId: string }
    | { readonly type: 'fork'; readonly nativeId: string };
  /** Until the session would accept a prompt. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Not as a plain process: there, with `home` (absolute, exists, of this workspace alone) for all that the program keeps. */
  readonly isolated?: { readonly host: Host; readonly home: string };
};

export type Prompt = {
  readonly id: PromptId;
  readonly text: string;
  /** From `Backend.promptIds()`, stored before sending; the same prompt always has the same. */
  readonly native: Readonly<Record<string, string>>;
};

export type PromptReceipt = { readonly type: 'accepted' } | { readonly type: 'refused'; readonly failure: Failure };

/**
 * What a session tells, in order. Every accepted prompt gets one `turn-started` and one `turn-ended`; several prompts that
 * share one turn (steering) each get theirs when the turn ends. `ended` comes exactly once and last.
 */
export type BackendEvent =
  | { readonly type: 'turn-started'; readonly promptId: PromptId }
  | {
      readonly type: 'turn-ended';
      readonly promptId: PromptId;
      readonly outcome: TurnOutcome;
      /** The agent's final words of the turn. */
      readonly text: string;
      readonly failure: Failure | null;
      /** Of this turn, sub-agents included. */
      readonly usage: Usage;
    }
  | { readonly type: 'text-delta' | 'reasoning-delta'; readonly partId: string; readonly text: string }
  | { readonly type: 'text' | 'reasoning'; readonly partId: string; readonly text: string }
  | {
      readonly type: 'tool-started';
      readonly callId: string;
      readonly tool: string;
      readonly title: string;
      readonly input: unknown;
    }
  | {
      readonly type: 'tool-ended';
      readonly callId: string;
      readonly tool: string;
      readonly title: string;
      readonly status: 'completed' | 'error' | 'interrupted';
      readonly output: string;
    }
  | { readonly type: 'file-changed'; readonly path: string }
  | { readonly type: 'todo'; readonly items: readonly { readonly text: string; readonly status: string }[] }
  | {
      readonly type: 'child-started';
      readonly nativeId: string;
      readonly title: string;
      /** The sub-agent that started it, by its native id; absent: the session itself, or nobody says. */
      readonly parentId?: string | undefined;
    }
  /** Of a sub-agent that was told: as the program says it, when it changes. */
  | { readonly type: 'child-state'; readonly nativeId: string; readonly state: ChildState }
  | {
      readonly type: 'asked';
      readonly nativeId: string;
      readonly subject: ApprovalSubject;
      readonly isFromChild: boolean;
      /** Which sub-agent, by its native id; absent: the session itself, or nobody says. */
      readonly childId?: string | undefined;
    }
  | { readonly type: 'withdrawn'; readonly nativeId: string; readonly cause: string }
  /** A running sum, to be shown; what counts is what `turn-ended` tells. */
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'compaction'; readonly phase: 'started' | 'ended' }
  | { readonly type: 'retrying'; readonly try: number; readonly message: string; readonly nextAt: number | null }
  /** Proof of life: the program answered its protocol. */
  | { readonly type: 'heartbeat' }
  | { readonly type: 'notice'; readonly level: 'info' | 'warning' | 'error'; readonly text: string }
  | { readonly type: 'ended'; readonly reason: EndReason };

export type EndReason =
  | { readonly type: 'closed' }
  | {
      readonly type: 'died';
      readonly failure: Failure;
      readonly exitCode: number | null;
      readonly signal: string | null;
    };

export type CloseReport = {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** Pids that were still alive at the end: always empty unless the system refused to end them. */
  readonly survivors: readonly number[];
};

/** A program that a person runs in a terminal of their own; `env` may hold secrets, `command` never. */
export type PersonView = {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
};

/** A conversation that a person has alone, in a program that lives on without Gantry. Until `over` nobody else may open it. */
export type Loan = {
  readonly view: PersonView;
  /** Resolves when the person has left it, or its program is dead: nothing of it runs any more. Never rejects. */
  readonly over: Promise<void>;
  /** Ends it and all that it started. */
  readonly end: (graceMs: number) => Promise<void>;
};

/** One live conversation. Owned by whoever opened it; at most one per native session at a time. */
export type BackendSession = {
  readonly nativeId: string;
  /** What `from` led to. A resume that the program could not do is a new session with the reason. */
  readonly origin:
    | { readonly type: 'new' | 'resumed' | 'forked' }
    | { readonly type: 'new-instead'; readonly reason: string };
  /** One reader. Ends exactly once, after an `ended` event. */
  readonly events: AsyncIterable<BackendEvent>;
  /**
   * Hands a prompt over; resolves when the program has taken it. The same id again, also after a crash of either side, is
   * given to the model once: a turn that was cut goes on, one that is over reports its end again.
   * `next-turn` waits for the running turn inside the driver; `steer` joins it where the program can, else is next-turn;
   * `interrupt` ends it first.
   */
  readonly prompt: (prompt: Prompt, mode: MessageMode) => Promise<PromptReceipt>;
  /** Ends the running turn (its `turn-ended` says interrupted) and keeps the session. Resolves when it is confirmed. */
  readonly interrupt: () => Promise<void>;
  /** `gone`: the question does not exist any more (aborted, ended, answered). Allows are sent as once, never as always. */
  readonly answer: (nativeId: string, decision: Decision) => Promise<'taken' | 'gone'>;
  readonly transcript: () => Promise<readonly TranscriptItem[]>;
  /** For a person who joins beside Gantry (`attach`); absent where a second writer would harm the conversation. */
  readonly view?: PersonView;
  /**
   * Where it would: gives the conversation, once it is closed here, to a person alone (`attach`).
   * @throws AppError `backend_missing`, `backend_failed`; then nothing of it is left
   */
  readonly lend?: () => Promise<Loan>;
  /** Removes the conversation from the program's own store, before a close; absent where that cannot be done. */
  readonly forget?: () => Promise<void>;
  /** Ends the session and all that it started; the native session can be resumed later. Concurrent callers share one close. */
  readonly close: (graceMs: number) => Promise<CloseReport>;
};

/** Why nothing can be started on a node now, in words. `isPassing`: it is expected back before its agents are lost. */
export type Away = { readonly cause: string; readonly isPassing: boolean };

/**
 * The driver of one agent program. Laws (shared suite in test/conformance):
 * 1. `open` resolves when the next prompt will be accepted, never for a process that is not there.
 * 2. A failed `open` leaves no process, port or file outside `home`. `close` leaves no descendant.
 * 3. Every failure has a class and a text.
 * 4. One live session per native id.
 * 5. `open` by resume checks the directory and never starts a turn by itself.
 * 6. The program's environment is built from an explicit list.
 * 7. Nothing is written to the repository's or the user's agent configuration.
 * 8. Usage adds up to the provider's count; resumes and forks do not count twice.
 * 9. Questions of the whole session tree reach `events`; unanswered they stay open until answered, interrupted or closed.
 */
export type Backend = {
  readonly id: BackendId;
  /** The node that its programs run on; absent: this machine. */
  readonly place?: { readonly node: string; readonly away: () => Away | null };
  readonly capabilities: Capabilities;
  readonly probe: (signal: AbortSignal) => Promise<Probe>;
  /** Fresh native ids for one prompt, chosen before it is sent (empty where the program's protocol has none). */
  readonly promptIds: () => Readonly<Record<string, string>>;
  /**
   * @throws AppError `backend_missing`, `backend_version`, `backend_failed`, `timeout`, `cancelled`; `conflict` if the native
   * session is open already; `unsupported`, naming the capability that the spec needs and the backend has not.
   */
  readonly open: (spec: OpenSpec) => Promise<BackendSession>;
  /**
   * Ends what an earlier daemon of this home started and nothing uses any more. `inUse`: Gantry's ids of the sessions that
   * will be opened again. @returns what was ended, in words.
   */
  readonly sweep: (
    inUse: ReadonlySet<string>,
  ) => Promise<readonly { readonly what: string; readonly pids: readonly number[] }[]>;
  /** The conversation that an earlier daemon lent to a person (`BackendSession.lend`); null if that is over. */
  readonly lent?: (nativeId: string) => Promise<Loan | null>;
  /** Ends every program that the backend started, but for what is lent. */
  readonly close: (graceMs: number) => Promise<void>;
  /**
   * Lets go without ending what can live on alone (`survivesRestart`), for a restart of the daemon; ends the rest.
   * Absent where nothing survives.
   */
  readonly release?: () => Promise<void>;
};

/** A program that was started: written down before it exists, so that no crash can leave an unknown one. */
export type ProcessEntry = {
  readonly id: string;
  readonly kind: string;
  readonly marker: string;
  readonly record: ProcessRecord | null;
  /** The driver's own notes (address, key, directory). Kept in the store, which only its owner can read. */
  readonly data: Readonly<Record<string, unknown>>;
};

/** Where drivers write down what they start. Durable when the call returns. */
export type ProcessBook = {
  readonly put: (entry: ProcessEntry) => void;
  readonly remove: (id: string) => void;
  readonly list: (kind: string) => readonly ProcessEntry[];
};

export type BackendContext = {
  readonly id: BackendId;
  readonly settings: BackendSettings;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: ProcessBook;
  /** The allow-listed variables of the daemon's own environment: PATH, HOME, LANG, proxies, certificates. */
  readonly environment: Readonly<Record<string, string>>;
  /** A private directory of this backend below GANTRY_HOME; exists, mode 0700. */
  readonly home: string;
};
