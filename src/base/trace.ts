import { createHash } from 'node:crypto';

const hexOf = (text: string, length: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, length);

/** The same thing has the same ids whenever they are asked for: before its span is told, after a kill, on another machine. */
export const traceIdOf = (id: string): string => hexOf(`trace ${id}`, 32);
export const spanIdOf = (id: string): string => hexOf(`span ${id}`, 16);

/** The header of W3C Trace Context that makes the next program's spans children of `spanOf`, in the trace of `traceOf`. */
export const traceparent = (traceOf: string, spanOf: string): string =>
  `00-${traceIdOf(traceOf)}-${spanIdOf(spanOf)}-01`;
