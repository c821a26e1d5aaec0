import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import type { Step } from './script.ts';
import type { Answer, Frame, Wire } from './wire.ts';

/** Which fault of the step strikes this request. */
export type Fault = 'error' | 'hang' | 'cut' | null;

/** How an answer ended: given whole, dropped half-way by the script, or left by the client. */
export type Ending = 'whole' | 'cut' | 'left';

type Stage = {
  readonly wire: Wire;
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly isStream: boolean;
  readonly fault: Fault;
  /** Aborted when the client goes or the server closes: ends every wait. */
  readonly signal: AbortSignal;
};

/** Whether the client gets nothing at all, not even a status. */
export const isUnanswered = (answer: Answer, { isStream, fault }: Pick<Stage, 'isStream' | 'fault'>): boolean =>
  fault === 'hang' && (!isStream || (answer.text === '' && answer.reasoning === '' && answer.tools.length === 0));

/** Plays a step after `released`. Ends at once when the client goes. */
export async function play(step: Step, answer: Answer, released: Promise<void>, stage: Stage): Promise<Ending> {
  const { wire, response, fault, signal } = stage;
  const gone: Promise<unknown> = signal.aborted ? Promise.resolve() : once(signal, 'abort');
  await Promise.race([released, gone]);
  await pauseOn(stage.clock, step.delayMs ?? 0, gone);
  if (isUnanswered(answer, stage)) await gone;
  if (signal.aborted) return 'left';
  if (fault === 'error' && step.error) return playError(step.error, stage);
  if (stage.isStream) return playFrames(wire.frames(answer), step.chunkDelayMs ?? 0, gone, stage);
  if (fault === 'cut') return cut(response);
  sendJson(response, 200, wire.whole(answer), { 'request-id': `req_${answer.id}` });
  return 'whole';
}

async function playFrames(
  frames: readonly Frame[],
  chunkDelayMs: number,
  gone: Promise<unknown>,
  { response, clock, fault, signal }: Stage,
): Promise<Ending> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for (const [index, frame] of frames.slice(0, shownOf(frames, fault)).entries()) {
    if (frame.isDelta && index > 0) await pauseOn(clock, chunkDelayMs, gone);
    if (signal.aborted) return 'left';
    if (!response.write(frame.text)) await Promise.race([once(response, 'drain'), gone]);
  }
  if (fault === 'cut') return cut(response);
  if (fault === 'hang') await gone;
  if (signal.aborted) return 'left';
  response.end();
  return 'whole';
}

/** How many frames go out: half of the deltas before a cut, all of them before a hang. */
function shownOf(frames: readonly Frame[], fault: Fault): number {
  const deltas = frames.flatMap((frame, index) => (frame.isDelta ? [index] : []));
  const afterDeltas = (deltas.at(-1) ?? 0) + 1;
  if (fault === 'cut') return deltas[Math.ceil(deltas.length / 2)] ?? afterDeltas;
  return fault === 'hang' ? afterDeltas : frames.length;
}

function playError(error: NonNullable<Step['error']>, { wire, response }: Stage): Ending {
  const headers: Record<string, string> = {};
  if (error.retryAfterS !== undefined) headers['retry-after'] = String(error.retryAfterS);
  if (error.resetAt !== undefined) {
    const seconds = String(Math.ceil(Date.parse(error.resetAt) / 1000));
    headers['x-ratelimit-reset'] = seconds;
    headers['anthropic-ratelimit-requests-reset'] = error.resetAt;
    headers['anthropic-ratelimit-unified-reset'] = seconds;
  }
  const type = error.type ?? errorType(error.status);
  sendJson(response, error.status, wire.error({ status: error.status, type, message: error.message }), headers);
  return 'whole';
}

/** The types that both vendors' APIs give these states (platform.openai.com and docs.anthropic.com, errors). */
export function errorType(status: number): string {
  const types: Record<number, string> = {
    401: 'authentication_error',
    402: 'billing_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    529: 'overloaded_error',
  };
  return types[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Drops the connection after all that was written has gone out: the client sees a body without its end. */
async function cut(response: ServerResponse): Promise<Ending> {
  response.flushHeaders();
  const { socket } = response;
  if (socket) await new Promise((resolve) => socket.write('', resolve));
  response.destroy();
  return 'cut';
}

async function pauseOn(clock: Clock, ms: number, gone: Promise<unknown>): Promise<void> {
  if (ms === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.after(ms, resolve);
  await Promise.race([promise, gone]);
  cancel();
}
