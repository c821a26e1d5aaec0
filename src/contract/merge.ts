import { z } from 'zod';
import { AgentAddress, MergeId, ProjectId, RequestId } from './ids.ts';

/**
 * reviewing: waits for verdicts · queued: in line · merging: its merge commit is made, gates run or the target is being moved ·
 * merged: its content is on the target · conflict: a follow-up request resolves it · rejected: a gate, a reviewer or a
 * deadline said no · withdrawn: a person took it out.
 */
export const MergeState = z.enum(['reviewing', 'queued', 'merging', 'merged', 'conflict', 'rejected', 'withdrawn']);
export type MergeState = z.infer<typeof MergeState>;

export const MERGE_MOVES: Readonly<Record<MergeState, readonly MergeState[]>> = {
  reviewing: ['queued', 'rejected', 'withdrawn'],
  queued: ['merging', 'merged', 'conflict', 'rejected', 'withdrawn'],
  merging: ['queued', 'merged', 'rejected'],
  merged: [],
  conflict: ['queued', 'rejected', 'withdrawn'],
  rejected: ['reviewing', 'queued', 'withdrawn'],
  withdrawn: ['reviewing', 'queued'],
};

/** Nothing happens to it any more unless somebody asks. */
export const isMergeOver = (state: MergeState): boolean =>
  state === 'merged' || state === 'rejected' || state === 'withdrawn';

export const Verdict = z.enum(['approve', 'changes']);
export type Verdict = z.infer<typeof Verdict>;

/** A verdict as the daemon recorded it; a later one of the same reviewer takes its place. */
export const Review = z.object({
  /** Who: an agent's address, or the actor of a person's token. */
  by: z.string(),
  verdict: Verdict,
  text: z.string().max(10_000),
  at: z.number(),
});
export type Review = z.infer<typeof Review>;

/** How a gate's command ended on the merged content; the end of its output. */
export const GateResult = z.object({
  name: z.string(),
  command: z.string(),
  exitCode: z.number().int().nullable(),
  output: z.string(),
});
export type GateResult = z.infer<typeof GateResult>;

/** The collected work of a request on its way to the target branch. One per request. */
export const Merge = z.object({
  id: MergeId,
  requestId: RequestId,
  projectId: ProjectId,
  /** The request's branch: where its work was collected. */
  branch: z.string(),
  /** The commit that is to be merged. After a resolved conflict it is the commit that resolved it. */
  head: z.string(),
  target: z.string(),
  state: MergeState,
  /** Why it is in this state, in words. */
  cause: z.string().nullable(),
  /** 0 is most urgent, 4 least. */
  priority: z.number().int().min(0).max(4),
  /** The agents whose work it is: none of them may approve it. */
  authors: z.array(AgentAddress),
  /** Its commit on the target; written down before the target is moved. */
  commit: z.string().nullable(),
  /** The files of the last conflict. */
  conflicts: z.array(z.string()),
  /** The gate that failed last. */
  gate: GateResult.nullable(),
  reviews: z.array(Review),
  /** Verdicts that are missing then count as `changes`; null where no review is asked for. */
  reviewUntil: z.number().nullable(),
  /** The request whose tasks are the reviews that agents were asked for; null while none were. */
  reviewId: RequestId.nullable().default(null),
  /** The follow-up request that resolves a conflict. */
  repairId: RequestId.nullable(),
  /** How often it went back into line: the target moved, or a conflict was resolved. */
  retries: z.number().int().nonnegative(),
  createdBy: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
  endedAt: z.number().nullable(),
});
export type Merge = z.infer<typeof Merge>;
