import type { ApprovalSubject, Decision } from '../../contract/approval.ts';
import { AppError } from '../../contract/errors.ts';
import type { BackendEvent, PermissionProfile } from '../backend.ts';
import type { Connection } from './connection.ts';
import type { NativeLine } from './decode.ts';
import { answeredInput, gate, type Places, subjectsOf } from './tools.ts';

type Answering = Pick<Connection, 'reply' | 'refuse'>;
type Ask = Pick<NativeLine & { type: 'ask' }, 'requestId' | 'input' | 'isFromChild' | 'childId'>;
type Open = Ask & { readonly subjects: readonly [ApprovalSubject, ...ApprovalSubject[]]; readonly step: number };

/**
 * The gate before every call, and the questions that it leads to. The gate is a hook over the program's own pipe: if Gantry
 * is gone, every further call is refused.
 */
export class Asks {
  readonly #connection: Answering;
  readonly #profile: PermissionProfile;
  readonly #places: Places;
  readonly #emit: (event: BackendEvent) => void;
  readonly #isNoted: (callId: string) => Promise<boolean>;
  /** By the id that a person answers. */
  readonly #open = new Map<string, Open>();

  /** `isNoted` waits, not for ever, until the program has a call in its transcript. */
  constructor(parts: {
    readonly connection: Answering;
    readonly profile: PermissionProfile;
    readonly places: Places;
    readonly emit: (event: BackendEvent) => void;
    readonly isNoted: (callId: string) => Promise<boolean>;
  }) {
    this.#connection = parts.connection;
    this.#profile = parts.profile;
    this.#places = parts.places;
    this.#emit = parts.emit;
    this.#isNoted = parts.isNoted;
  }

  take(line: NativeLine): void {
    switch (line.type) {
      case 'hook':
        void this.#gate(line);
        break;
      case 'ask': {
        const [first, ...rest] = subjectsOf(line.tool, line.input, this.#profile, this.#places);
        if (first) this.#ask({ ...line, subjects: [first, ...rest], step: 0 });
        break;
      }
      case 'ask-cancelled':
        this.#withdraw(({ requestId }) => requestId === line.requestId, 'Claude Code took it back');
        break;
      case 'unknown-request':
        this.#connection.refuse(line.requestId, `Gantry does not take "${line.subtype}"`);
        break;
      default:
    }
  }

  /** @throws AppError `bad_request` for an answer that does not fit the question */
  answer(nativeId: string, decision: Decision): 'taken' | 'gone' {
    const ask = this.#open.get(nativeId);
    const subject = ask?.subjects[0];
    if (!ask || !subject) return 'gone';
    if (decision.type !== 'deny' && (decision.type === 'answer') !== (subject.type === 'question')) {
      throw new AppError('bad_request', `a ${subject.type} cannot be answered with "${decision.type}"`);
    }
    this.#open.delete(nativeId);
    const { requestId, input } = ask;
    switch (decision.type) {
      case 'deny':
        this.#connection.reply(requestId, { behavior: 'deny', message: decision.reason });
        break;
      case 'answer':
        this.#connection.reply(requestId, { behavior: 'allow', updatedInput: answeredInput(input, decision.answers) });
        break;
      case 'allow': {
        const [, next, ...rest] = ask.subjects;
        if (next) this.#ask({ ...ask, subjects: [next, ...rest], step: ask.step + 1 });
        // Only this once: the program's own proposals would write rules into the repository.
        else this.#connection.reply(requestId, { behavior: 'allow', updatedInput: input });
        break;
      }
      default:
        decision satisfies never;
    }
    return 'taken';
  }

  /** Their turn is over. */
  sweep(cause: string): void {
    this.#withdraw(() => true, cause);
  }

  /** A call runs when it is written down: after a kill it must not be taken for one that was never made. */
  async #gate({ requestId, tool, input, isFromChild, callId }: NativeLine & { type: 'hook' | 'ask' }): Promise<void> {
    // What a sub-agent does stands in a transcript of its own.
    // A transcript that cannot be read holds up nothing: then a kill is answered as one of a call that was never made.
    if (callId !== null && !isFromChild) await this.#isNoted(callId).catch(() => false);
    this.#connection.reply(requestId, this.#verdict(tool, input));
  }

  #verdict(tool: string, input: unknown): object {
    const action = gate(tool, input, this.#profile, this.#places);
    // With an opinion of a hook the question tool would not ask.
    if (tool === 'AskUserQuestion' && action !== 'deny') return {};
    const reason = action === 'deny' ? { permissionDecisionReason: `This agent may not use ${tool} here.` } : {};
    return { hookSpecificOutput: { hookEventName: 'PreToolUse', permissionDecision: action, ...reason } };
  }

  #ask(ask: Open): void {
    const nativeId = ask.step === 0 ? ask.requestId : `${ask.requestId}.${ask.step}`;
    this.#open.set(nativeId, ask);
    const { isFromChild, childId } = ask;
    this.#emit({ type: 'asked', nativeId, subject: ask.subjects[0], isFromChild, childId: childId ?? undefined });
  }

  #withdraw(isMeant: (ask: Ask) => boolean, cause: string): void {
    for (const [nativeId, ask] of this.#open) {
      if (!isMeant(ask)) continue;
      this.#open.delete(nativeId);
      this.#emit({ type: 'withdrawn', nativeId, cause });
    }
  }
}
