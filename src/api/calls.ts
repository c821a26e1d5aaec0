import type { Context, Next } from 'hono';
import { routePath } from 'hono/route';
import { Counter, type Family, Histogram } from '../base/exposition.ts';
import { OPERATIONS, type Operation } from '../contract/api.ts';

const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

/** An operation by its name, every other path by its pattern, `none` where there is nothing. */
const NAMES = new Map(
  Object.entries(OPERATIONS).map(([name, { method, path }]: [string, Operation]) => [`${method} ${path}`, name]),
);

/** Counts the calls of the HTTP API. The labels are names of routes, never what a caller wrote. */
export class Calls {
  readonly #counter = new Counter('gantry_http_requests_total', 'HTTP calls, by operation and status.');
  readonly #seconds = new Histogram(
    'gantry_http_request_seconds',
    'Time until an HTTP call was answered, by operation.',
    BOUNDS,
  );

  readonly count = async (context: Context, next: Next): Promise<void> => {
    const start = performance.now();
    await next();
    const route = routePath(context, -1);
    const operation = route.endsWith('*') ? 'none' : (NAMES.get(`${context.req.method} ${route}`) ?? route);
    this.#counter.add({ operation, status: String(context.res.status) });
    this.#seconds.observe({ operation }, (performance.now() - start) / 1_000);
  };

  families(): readonly Family[] {
    return [this.#counter.family(), this.#seconds.family()];
  }
}
