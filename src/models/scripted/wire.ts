/** One message of a conversation, in words that are common to the three APIs. */
export type Turn = { readonly role: 'user' | 'assistant' | 'tool'; readonly text: string };

/** What a request asks: the system texts, the messages, and how the answer is wanted. */
export type Conversation = {
  readonly model: string;
  readonly system: string;
  readonly turns: readonly Turn[];
  readonly isStream: boolean;
  /** Names of tools that may be called by a name with other capitals. */
  readonly toolNames?: readonly string[];
};

/** A whole answer of the model. `usage` counts as OpenAI does: cached in input, reasoning in output. */
export type Answer = {
  /** Unique per request: the ids of the answer and of its tool calls are made from it. */
  readonly id: string;
  readonly model: string;
  readonly createdMs: number;
  readonly reasoning: string;
  readonly text: string;
  readonly tools: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish: 'stop' | 'length' | 'tool_calls';
  readonly usage: {
    readonly input: number;
    readonly output: number;
    readonly cachedInput: number;
    readonly reasoning: number;
  };
  /** In how many pieces each text is streamed. */
  readonly chunks: number;
};

/** A frame of an event stream. Time passes before a delta; a cut connection loses the later half of the deltas. */
export type Frame = { readonly text: string; readonly isDelta: boolean };

/** One of the APIs: how a request is read and how answers and errors are written. */
export type Wire = {
  /** Null if the body is no request of this API. */
  readonly read: (body: unknown) => Conversation | null;
  readonly whole: (answer: Answer) => unknown;
  readonly frames: (answer: Answer) => Frame[];
  readonly error: (error: { readonly status: number; readonly type: string; readonly message: string }) => unknown;
};

/** At most `count` pieces of about equal length that join to `text`; none of them splits a surrogate pair. */
export function pieces(text: string, count: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / count));
  const found: string[] = [];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(text.length, from + size);
    if (to < text.length && /[\ud800-\udbff]/.test(text.charAt(to - 1))) to += 1;
    found.push(text.slice(from, to));
    from = to;
  }
  return found;
}

/** The text of a message's content: a string, or an array of parts of which those with a `text` count. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) =>
      typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string' ? part.text : '',
    )
    .filter((text) => text !== '')
    .join('\n');
}
