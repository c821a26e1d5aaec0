import type { Clock } from '../base/clock.ts';
import { deferred } from '../base/wait.ts';
import type { Approval } from '../contract/approval.ts';
import { AppError } from '../contract/errors.ts';
import type { View } from '../contract/fold.ts';
import type { Context } from './command.ts';
import { type Interrupts, listenToKeys } from './keys.ts';
import { Live } from './live.ts';
import { columnsOf } from './output.ts';
import {
  FRAME_MS,
  NOTHING_TOLD,
  newLines,
  progressLines,
  type RequestView,
  requestView,
  silenceLine,
  type Told,
} from './progress.ts';

/** A line after so much silence, where no terminal shows the time passing. */
const SILENCE_MS = 10_000;
/** A key that comes sooner was meant for something else. */
const READ_MS = 500;
const DEFAULT_ROWS = 24;

export type Memory = { told: Told };
export const newMemory = (): Memory => ({ told: NOTHING_TOLD });

export type Watching = {
  readonly requestId: string;
  /** Until this holds the watching goes on. */
  readonly isOver: (view: RequestView) => boolean;
  readonly interrupts: Interrupts;
  /** The first Ctrl-C; the second leaves at once. */
  readonly onInterrupt: (say: (line: string) => void) => void;
  /** What plain lines have told so far: the next watching of the same request goes on from there. */
  readonly memory: Memory;
  /** What a person decided on an open question; null: the terminal cannot answer. */
  readonly answer: ((approval: Approval, key: string) => Promise<void>) | null;
};

/**
 * Shows a request until `isOver`: as a tree that is redrawn in place on a terminal, else as lines.
 * `views` brings every change. Whoever gave them ends them, also when the person has left.
 * @throws AppError cancelled when the person leaves, daemon_unreachable when the views end
 */
export async function watch(context: Context, views: AsyncIterable<View>, watching: Watching): Promise<RequestView> {
  const { stderr, isQuiet } = context.output;
  const show = isQuiet ? silent : stderr.isTTY ? drawing(context, watching) : telling(context, watching.memory);
  const left = deferred<never>();
  let interrupts = 0;
  const interrupt = (): void => {
    interrupts += 1;
    if (interrupts === 1) watching.onInterrupt(show.say);
    else left.reject(new AppError('cancelled', `left; ${watching.requestId} may still be running`));
  };
  const stopListening = [show.open(watching.interrupts.fire), watching.interrupts.listen(interrupt)];
  const seeItThrough = async (): Promise<RequestView> => {
    for await (const whole of views) {
      const view = requestView(whole, watching.requestId);
      if (view === null) continue;
      show.view(view);
      if (watching.isOver(view)) return view;
    }
    throw new AppError('daemon_unreachable', 'the daemon has gone away');
  };
  try {
    return await Promise.race([seeItThrough(), left.promise]);
  } finally {
    for (const stop of stopListening) stop();
  }
}

function every(clock: Clock, ms: number, act: () => void): () => void {
  let cancel = clock.after(ms, again);
  return () => cancel();

  function again(): void {
    cancel = clock.after(ms, again);
    act();
  }
}

/** A way to show a request. `open` begins it; its answer ends it. */
type Show = {
  readonly open: (interrupt: () => void) => () => void;
  readonly view: (view: RequestView) => void;
  /** A line beside the request. */
  readonly say: (line: string) => void;
};

const silent: Show = { open: () => () => undefined, view: () => undefined, say: () => undefined };

function telling({ output, clock }: Context, memory: Memory): Show {
  let latest: RequestView | null = null;
  let spokeAt = clock.now();
  return {
    say: (line) => output.note(line),
    open: () => {
      return every(clock, 1_000, () => {
        const now = clock.now();
        if (latest === null || now - spokeAt < SILENCE_MS) return;
        output.note(silenceLine(latest, now));
        spokeAt = now;
      });
    },
    view: (view) => {
      latest = view;
      const news = newLines(view, memory.told, clock.now());
      memory.told = news.told;
      if (news.lines.length === 0) return;
      output.note(...news.lines);
      spokeAt = clock.now();
    },
  };
}

function drawing(context: Context, { answer }: Watching): Show {
  const { clock, output, stdin, isInteractive } = context;
  const live = new Live(output.stderr);
  const hasKeys = isInteractive && answer !== null;
  let latest: RequestView | null = null;
  let isAnswering = false;
  let isClosed = false;
  /** The question that the keys are for, and since when it is on the screen. */
  let asked: { readonly approval: Approval; readonly since: number } | null = null;
  const draw = (): void => {
    if (latest === null || isAnswering || isClosed) return;
    const [approval] = latest.approvals;
    if (approval?.id !== asked?.approval.id) asked = approval ? { approval, since: clock.now() } : null;
    const rows = (output.stderr.rows ?? DEFAULT_ROWS) - 1;
    const canvas = { columns: columnsOf(output.stderr), rows, paint: output.paintNote, hasKeys };
    live.draw(progressLines(latest, clock.now(), canvas));
  };
  const open = (interrupt: () => void): (() => void) => {
    // What the terminal has told meanwhile, as that it is narrower now, comes before: after a standstill a timer would be first.
    const stopDrawing = every(clock, FRAME_MS, () => setImmediate(draw));
    let closeKeys: (() => void) | null = null;
    const listen = (): void => {
      if (hasKeys) closeKeys = listenToKeys(stdin, (key) => void decide(key), interrupt);
    };
    const decide = async (key: string): Promise<void> => {
      if (asked === null || answer === null || isAnswering || clock.now() - asked.since < READ_MS) return;
      const { approval } = asked;
      isAnswering = true;
      live.clear();
      closeKeys?.();
      try {
        await answer(approval, key);
      } finally {
        isAnswering = false;
        asked = null;
        if (!isClosed) listen();
      }
    };
    listen();
    return () => {
      isClosed = true;
      stopDrawing();
      closeKeys?.();
      live.clear();
    };
  };
  return {
    open,
    view: (view) => {
      latest = view;
    },
    say: (line) => {
      live.clear();
      output.note(line);
      draw();
    },
  };
}
