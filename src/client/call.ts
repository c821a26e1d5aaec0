import { z } from 'zod';
import { type InputOf, OPERATIONS, type Operation, type OperationName, type OutputOf } from '../contract/api.ts';
import { AppError } from '../contract/errors.ts';
import { jsonOf, orLost, type Send } from './send.ts';

export type CallOptions = {
  readonly signal?: AbortSignal | undefined;
  /** A POST that is sent again with the same key is carried out once and answers as the first time. */
  readonly idempotencyKey?: string | undefined;
};

export async function call<N extends OperationName>(
  send: Send,
  name: N,
  input: InputOf<N>,
  { signal, idempotencyKey }: CallOptions,
): Promise<OutputOf<N>> {
  const operation: Operation = OPERATIONS[name];
  const { path, rest } = fill(operation.path, input);
  const isPost = operation.method === 'POST';
  const query = isPost ? '' : queryOf(rest);
  const response = await send(`${path}${query}`, {
    method: operation.method,
    signal,
    headers: {
      ...(isPost && { 'Content-Type': 'application/json' }),
      ...(idempotencyKey !== undefined && { 'Idempotency-Key': idempotencyKey }),
    },
    ...(isPost && { body: JSON.stringify(rest) }),
  });
  const text = await orLost(signal, 'the answer was cut off', () => response.text());
  const output = operation.output.safeParse(jsonOf(text));
  if (output.success) return output.data as OutputOf<N>;
  throw new AppError('internal', `the daemon answered ${name} with something else: ${z.prettifyError(output.error)}`);
}

/** The path with its parameters, and what is left of the input. */
function fill(path: string, input: object): { readonly path: string; readonly rest: Record<string, unknown> } {
  const rest: Record<string, unknown> = { ...input };
  const filled = path.replace(/:(\w+)/g, (_, key: string) => {
    const value = rest[key];
    delete rest[key];
    return encodeURIComponent(String(value));
  });
  return { path: filled, rest };
}

/** `?a=1&b=x,y`, or nothing. */
export function queryOf(input: object): string {
  const given = Object.entries(input).filter(([, value]) => value !== undefined && value !== null);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)])))}`;
}
