import type { z } from 'zod';
import type { Client } from '../client/client.ts';
import type { ApprovalId } from '../contract/ids.ts';

export type ElicitField = {
  readonly type: 'string';
  readonly title: string;
  readonly enum?: readonly string[];
};
/** One question to the person at the client. */
export type ElicitForm = {
  readonly taskId: string;
  readonly approvalId: ApprovalId;
  readonly message: string;
  readonly fields: Readonly<Record<string, ElicitField>>;
};
export type Elicited = {
  readonly action: 'accept' | 'decline' | 'cancel';
  readonly content?: Readonly<Record<string, unknown>> | undefined;
};

/** What a tool works with: the client carries the caller's own token, so that it may do what that may and no more. */
export type ToolContext = {
  readonly client: Client;
  /** The `x-agent-id` header: who calls, where the arguments do not say. */
  readonly callerId: string | null;
  /** Aborted when the caller no longer waits. Work that was begun goes on. */
  readonly signal: AbortSignal;
  /** Tells how far it is, if the caller wants to know. */
  readonly progress: ((message: string) => void) | null;
  /** Puts a form to the person at the client; null where the client has none. */
  readonly elicit: ((form: ElicitForm, signal: AbortSignal) => Promise<Elicited>) | null;
  /** The caller follows the task by the protocol's own means: a call that hands one over does not wait. */
  readonly isTask: boolean;
  readonly version: string;
};

/** A tool as the table of tools has it. `input` is what is listed; refinements in it are checked and not listed. */
export type Tool = {
  readonly name: string;
  readonly description: string;
  readonly input: z.ZodObject;
  /** Absent where the answer is an operation's own. */
  readonly output?: z.ZodObject;
  readonly isReadOnly: boolean;
  /** Without indentation: for an answer that machines ask for often. */
  readonly isCompact?: boolean;
  readonly run: (input: Readonly<Record<string, unknown>>, context: ToolContext) => Promise<object>;
};

/** Joins schema and act; the act sees its arguments with their types. */
export const defineTool = <I extends z.ZodObject>(
  tool: Omit<Tool, 'input' | 'run'> & {
    readonly input: I;
    readonly run: (input: z.output<I>, context: ToolContext) => Promise<object>;
  },
): Tool => ({ ...tool, run: (input, context) => tool.run(input as z.output<I>, context) });
