import { pause } from '../../base/wait.ts';
import type { Failure } from '../../contract/failure.ts';
import type { Dialect, NativePrompt } from './dialect.ts';
import { HttpFailure } from './http.ts';

const MAX_TRIES = 6;
const FIRST_PAUSE_MS = 200;

/**
 * Gives a prompt to the program. When the answer is lost, the same ids are sent again: a prompt that has arrived is not
 * given to the model a second time.
 * @returns why the program did not take it; null if it did
 */
export async function postPrompt(
  dialect: Dialect,
  sessionId: string,
  prompt: NativePrompt,
  signal: AbortSignal,
): Promise<Failure | null> {
  for (let tries = 0; ; tries += 1) {
    try {
      await dialect.prompt(sessionId, prompt);
      return null;
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      const { message, status } = error;
      if (status !== null) return { class: 'protocol', message, resetAt: null };
      if (tries >= MAX_TRIES || signal.aborted) return { class: 'network', message, resetAt: null };
      await pause(FIRST_PAUSE_MS * 2 ** tries, signal);
    }
  }
}
