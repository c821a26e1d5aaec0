import type { PromptReceipt } from '../../backends/backend.ts';
import { deferred, firstOf } from '../../base/wait.ts';
import type { StoredPrompt } from '../../contract/attempt.ts';
import type { AgentAddress, BackendId } from '../../contract/ids.ts';
import type { Message, MessageMode } from '../../contract/message.ts';
import { urgentText } from '../attempts/prompts.ts';
import { urgentMail } from '../messages/mail.ts';
import type { Parts } from '../parts.ts';
import { capabilitiesOf } from '../scheduling/capabilities.ts';
import type { LiveSession } from './session.ts';
import type { TurnResult } from './session-turns.ts';

/** A prompt that was handed to the agent program; the receipt comes when it has taken it. */
export type Given = { readonly prompt: StoredPrompt; readonly receipt: Promise<PromptReceipt> };

/** Where the prompts of a conversation are kept: an attempt's, or a standing agent's. */
export type PromptLedger = {
  readonly talk: {
    readonly agent: AgentAddress;
    readonly backend: BackendId;
    readonly prompts: readonly StoredPrompt[];
  };
  readonly storePrompt: (kind: 'message', text: string, mail: readonly Message[]) => StoredPrompt;
  readonly promptAccepted: (prompt: StoredPrompt) => void;
};

/** Gives the prompts of a conversation and hears how their turns end. Messages that may not wait join or break the running turn. */
export class Turns {
  readonly #parts: Parts;
  readonly #ledger: PromptLedger;
  /** Given while another prompt's turn ran, oldest first: how they end is still to be heard. */
  readonly #unheard: Given[] = [];
  #mail = deferred<'mail'>();

  constructor(parts: Parts, ledger: PromptLedger) {
    this.#parts = parts;
    this.#ledger = ledger;
  }

  readonly mailCame = (): void => {
    this.#mail.resolve('mail');
  };

  give(live: LiveSession, prompt: StoredPrompt, mode: MessageMode): Given {
    const receipt = live.prompt(prompt, mode).then((answer) => {
      if (answer.type === 'accepted') this.#ledger.promptAccepted(prompt);
      return answer;
    });
    // Waited for when its turn is heard; a conversation that ends before that has its own reason.
    receipt.catch(() => undefined);
    return { prompt, receipt };
  }

  /** The end of a prompt's turn, or of the session. `stopped` rejects when nobody wants to hear it any more. */
  async hear(live: LiveSession, prompt: StoredPrompt, stopped: Promise<never>): Promise<TurnResult> {
    live.onSettled = this.mailCame;
    for (;;) {
      this.#mail = deferred();
      this.#giveUrgent(live);
      const result = await firstOf<TurnResult | 'mail'>([live.turnEnd(prompt.id), this.#mail.promise, stopped]);
      if (result !== 'mail') return result;
    }
  }

  /** The next prompt that was given already. */
  unheard(): Given | null {
    return this.#unheard.shift() ?? null;
  }

  #giveUrgent(live: LiveSession): void {
    const { agent, backend, prompts } = this.#ledger.talk;
    const capabilities = capabilitiesOf(this.#parts, backend);
    const urgent = capabilities && urgentMail(this.#parts, { agent, sessionId: live.id, prompts }, capabilities);
    if (!urgent) return;
    const prompt = this.#ledger.storePrompt('message', urgentText(urgent.mail, urgent.mode), urgent.mail);
    this.#unheard.push(this.give(live, prompt, urgent.mode));
  }
}
