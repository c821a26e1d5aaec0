import type { z } from 'zod';
import { AGENT_OPERATIONS } from './agent-operations.ts';
import { APPROVAL_OPERATIONS } from './approval-operations.ts';
import { DAEMON_OPERATIONS } from './daemon-operations.ts';
import { DELEGATION_OPERATIONS } from './delegation-operations.ts';
import { HISTORY_OPERATIONS } from './history-operations.ts';
import { JOURNAL_OPERATIONS } from './journal-operations.ts';
import { LIFE_OPERATIONS } from './life-operations.ts';
import { MERGE_OPERATIONS } from './merge-operations.ts';
import { MESSAGE_OPERATIONS } from './message-operations.ts';
import { NODE_OPERATIONS } from './node-operations.ts';
import type { Operation } from './operation.ts';
import { PROJECT_OPERATIONS } from './project-operations.ts';
import { PROJECTION_OPERATIONS } from './projection-operations.ts';
import { QUESTION_OPERATIONS } from './question-operations.ts';
import { REQUEST_OPERATIONS } from './request-operations.ts';
import { SEARCH_OPERATIONS } from './search-operations.ts';
import { SESSION_OPERATIONS } from './session-operations.ts';
import { TOKEN_OPERATIONS } from './token-operations.ts';

/**
 * Every operation of the HTTP API. `:name` in a path is filled from the input; what is left of the input is the query of a
 * GET or DELETE and the JSON body of a POST. A row without a handler does not compile; client, OpenAPI page and MCP tools
 * derive from this table.
 */
export const OPERATIONS = {
  ...DAEMON_OPERATIONS,
  ...JOURNAL_OPERATIONS,
  ...PROJECT_OPERATIONS,
  ...REQUEST_OPERATIONS,
  ...SESSION_OPERATIONS,
  ...AGENT_OPERATIONS,
  ...LIFE_OPERATIONS,
  ...APPROVAL_OPERATIONS,
  ...QUESTION_OPERATIONS,
  ...MESSAGE_OPERATIONS,
  ...MERGE_OPERATIONS,
  ...HISTORY_OPERATIONS,
  ...SEARCH_OPERATIONS,
  ...PROJECTION_OPERATIONS,
  ...NODE_OPERATIONS,
  ...TOKEN_OPERATIONS,
  ...DELEGATION_OPERATIONS,
} as const satisfies Record<string, Operation>;

export type { Operation } from './operation.ts';
export type OperationName = keyof typeof OPERATIONS;
/** What a caller gives. */
export type InputOf<N extends OperationName> = z.input<(typeof OPERATIONS)[N]['input']>;
/** What a handler gets: checked, with defaults. */
export type ParsedInputOf<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['input']>;
export type OutputOf<N extends OperationName> = z.output<(typeof OPERATIONS)[N]['output']>;
