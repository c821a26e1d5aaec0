import { z } from 'zod';

const id = <P extends string>(prefix: P) =>
  z.templateLiteral([prefix, '_', z.string().regex(/^[0-9a-z]{6,40}$/)]).describe(`An id that begins with ${prefix}_`);

export const ProjectId = id('prj');
export const RequestId = id('req');
export const TaskId = id('tsk');
export const AttemptId = id('att');
export const SessionId = id('sess');
export const ApprovalId = id('apr');
export const MessageId = id('mail');
export const PromptId = id('prm');
export const MergeId = id('mrg');
export const TokenId = id('tok');

export type ProjectId = z.infer<typeof ProjectId>;
export type RequestId = z.infer<typeof RequestId>;
export type TaskId = z.infer<typeof TaskId>;
export type AttemptId = z.infer<typeof AttemptId>;
export type SessionId = z.infer<typeof SessionId>;
export type ApprovalId = z.infer<typeof ApprovalId>;
export type MessageId = z.infer<typeof MessageId>;
export type PromptId = z.infer<typeof PromptId>;
export type MergeId = z.infer<typeof MergeId>;
export type TokenId = z.infer<typeof TokenId>;

/** An agent's address: `project/role/name`. */
export const AgentAddress = z.string().regex(/^[\w.-]+\/[\w.-]+\/[\w.-]+$/, 'project/role/name');
export type AgentAddress = z.infer<typeof AgentAddress>;

/** The name of a backend: a built-in (`opencode`, `fake`, …) or one that the configuration adds. */
export const BackendId = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower-case letters, digits and dashes');
export type BackendId = z.infer<typeof BackendId>;
