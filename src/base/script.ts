import { z } from 'zod';

/** A rule holds if every text it names is in the prompt (in the system text), and `notPrompt` is not. */
const whenSchema = z.strictObject({
  prompt: z.string().min(1).optional(),
  notPrompt: z.string().min(1).optional(),
  system: z.string().min(1).optional(),
});

/** The schema of a script file whose steps are `step`; `.extend` it for keys of one player alone. */
export const scriptSchema = <S extends z.ZodType>(step: S) =>
  z.strictObject({
    rules: z.array(z.strictObject({ when: whenSchema, steps: z.array(step) })).default([]),
    otherwise: z.array(step).optional(),
  });

type When = { readonly [key in keyof z.output<typeof whenSchema>]: string | undefined };

/** What a player needs of a script file: `z.output<ReturnType<typeof scriptSchema>>` fits it. */
export type Script<S> = {
  readonly rules: readonly { readonly when: When; readonly steps: readonly S[] }[];
  readonly otherwise?: readonly S[] | undefined;
};

/** A checked value, or the faults in words: each names the path in the input and what was expected there. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Checks `value`; a fault reads like `rules[0].steps[1].text: Invalid input: expected string, received number`. */
export function check<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, faults: result.error.issues.map((i) => `${z.core.toDotPath(i.path) || '(top)'}: ${i.message}`) };
}

/**
 * The steps that the last marker `@@<name> [ … ]` of a text holds; null if there is none.
 * The JSON array may span lines, and anything may follow it. A marker inside a JSON string (its quotes are escaped) is
 * quoted, not meant for the reader, and is passed over.
 */
export function markerSteps<S>(name: string, text: string, step: z.ZodType<S>): Checked<S[]> | null {
  const start = [...text.matchAll(new RegExp(`@@${name}\\s*(?=\\[)(?!\\[\\s*(?:\\{\\s*)?\\\\)`, 'g'))].at(-1);
  if (!start) return null;
  const json = balanced(text, start.index + start[0].length);
  if (json === null) return { ok: false, faults: [`@@${name}: the array is not closed`] };
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { ok: false, faults: [`@@${name}: ${error.message}`] };
  }
  const checked = check(z.array(step), value);
  return checked.ok ? checked : { ok: false, faults: checked.faults.map((fault) => `@@${name} ${fault}`) };
}

/** The steps of the first rule that holds, else `otherwise`, else null. */
export function ruleSteps<S>(
  script: Script<S>,
  asked: { readonly prompt: string; readonly system: string },
): readonly S[] | null {
  const rule = script.rules.find(
    ({ when }) =>
      asked.prompt.includes(when.prompt ?? '') &&
      asked.system.includes(when.system ?? '') &&
      !(when.notPrompt !== undefined && asked.prompt.includes(when.notPrompt)),
  );
  return rule?.steps ?? script.otherwise ?? null;
}

/** The text from the bracket at `from` to the one that closes it; brackets in JSON strings do not count. */
export function balanced(text: string, from: number): string | null {
  let depth = 0;
  for (let i = from; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (char === '"') i = endOfString(text, i);
    else if ('[{'.includes(char)) depth += 1;
    else if (']}'.includes(char)) depth -= 1;
    if (depth === 0) return text.slice(from, i + 1);
  }
  return null;
}

function endOfString(text: string, from: number): number {
  let i = from + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}
