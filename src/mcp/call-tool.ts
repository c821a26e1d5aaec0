import type { CallToolResult } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { AppError } from '../contract/errors.ts';
import { failure, refusal, success } from './results.ts';
import type { Tool, ToolContext } from './tool.ts';

/** How much of a refused value is shown. */
const MAX_SHOWN = 80;

/** Calls a tool by its name. Whatever goes wrong is a result, never a protocol error. */
export async function callTool(
  tools: readonly Tool[],
  name: string,
  given: Readonly<Record<string, unknown>> | undefined,
  context: ToolContext,
): Promise<CallToolResult> {
  const tool = tools.find((one) => one.name === name);
  if (!tool) return refusal({ error: `Unknown tool: ${name}` });
  try {
    const args = withCaller(tool, given ?? {}, context.callerId);
    const unknown = Object.keys(args).filter((key) => !Object.hasOwn(tool.input.shape, key));
    const answer = await tool.run(parse(tool.input, args), context);
    const warnings = unknown.map((key) => `unknown argument: ${key}`);
    return success(warnings.length > 0 ? { ...answer, warnings } : answer, tool.isCompact);
  } catch (error) {
    return failure(error);
  }
}

function withCaller(tool: Tool, args: Readonly<Record<string, unknown>>, callerId: string | null): object {
  const isWanted = callerId !== null && Object.hasOwn(tool.input.shape, 'agent_id') && args.agent_id === undefined;
  return isWanted ? { ...args, agent_id: callerId } : args;
}

/** @throws AppError bad_request naming the field, what is accepted and what came */
function parse(schema: z.ZodObject, given: unknown): Record<string, unknown> {
  const result = schema.safeParse(given, { reportInput: true });
  if (result.success) return result.data;
  const sentences = result.error.issues.slice(0, 10).map((issue) => {
    const path = z.core.toDotPath(issue.path);
    const came = issue.input === undefined ? 'nothing' : String(JSON.stringify(issue.input)).slice(0, MAX_SHOWN);
    return `${path === '' ? 'arguments' : path}: ${issue.message} (got ${came})`;
  });
  throw new AppError('bad_request', sentences.join('; '));
}
