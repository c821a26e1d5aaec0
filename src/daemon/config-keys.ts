import { z } from 'zod';
import { Config } from '../contract/config.ts';

export type KeyPath = readonly (string | number)[];

/** `planner.model`, `policy.rules[0].tool`. */
export const pathText = (path: KeyPath): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${part}`)).join('');

/** Every settable key; `*` stands for a free name. */
export const configKeys = (): readonly (readonly string[])[] => leafKeys(Config, []);

/** The keys that an object at this place may have; none if the place is free or holds no object. */
export function keysAt(path: KeyPath): string[] {
  let schema: z.core.$ZodType | undefined = Config;
  for (const part of path) schema = schema && inner(schema, part);
  const bare = schema && unwrap(schema);
  return bare instanceof z.ZodObject ? Object.keys(bare.shape) : [];
}

function leafKeys(schema: z.core.$ZodType, path: readonly string[]): (readonly string[])[] {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = bare.shape;
    return Object.entries(shape).flatMap(([key, value]) => leafKeys(value, [...path, key]));
  }
  return bare instanceof z.ZodRecord ? leafKeys(bare.valueType, [...path, '*']) : [path];
}

function inner(schema: z.core.$ZodType, part: string | number): z.core.$ZodType | undefined {
  const bare = unwrap(schema);
  if (bare instanceof z.ZodObject) return (bare.shape as Readonly<Record<string, z.core.$ZodType>>)[part];
  if (bare instanceof z.ZodRecord) return bare.valueType;
  return bare instanceof z.ZodArray ? bare.element : undefined;
}

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
