import fc from 'fast-check';
import { z } from 'zod';

type Schema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly maximum?: number;
};

type Fields = Readonly<Record<string, unknown>>;

/** So long a call may be told to wait, ms or s. */
const LONGEST_WAIT = 20;

/**
 * Inputs that look like what an operation takes: most values are of the type that is asked for, some are anything. A text is
 * often one of `known`, so that there is something to act on.
 */
export function inputOf(input: z.ZodObject, known: readonly string[]): fc.Arbitrary<Fields> {
  const schema = z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as Schema;
  const extra = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 1 });
  return fc
    .tuple(objectOf(schema, known), fc.nat(9), extra)
    .map(([value, odd, more]) => (odd === 0 ? { ...value, ...more } : value));
}

function objectOf({ properties = {}, required = [] }: Schema, known: readonly string[]): fc.Arbitrary<Fields> {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const isWait = /wait|timeout/i.test(name);
    const usual = isWait ? fc.nat(LONGEST_WAIT) : typed(schema, known);
    const odd = isWait ? fc.constantFrom(-1, 'x', null) : fc.jsonValue({ maxDepth: 2 });
    const field = fc.oneof({ arbitrary: usual, weight: 12 }, { arbitrary: odd as fc.Arbitrary<unknown>, weight: 1 });
    return [name, field] as const;
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [...required] });
}

function typed(schema: Schema, known: readonly string[]): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => typed(one, known)));
  switch (schema.type) {
    case 'string':
      return fc.oneof(fc.constantFrom(...known), fc.string({ unit: 'grapheme', maxLength: 60 }));
    case 'integer':
    case 'number':
      return fc.oneof(fc.integer({ min: -1, max: 1_000 }), fc.double());
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(typed(schema.items ?? {}, known), { maxLength: 3 });
    case 'object':
      return objectOf(schema, known);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}
