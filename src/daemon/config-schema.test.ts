import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configSchema } from './config-schema.ts';

test('docs/config.schema.json is what the contract says: else run `node scripts/config-schema.mjs`', async () => {
  const published = await readFile(new URL('../../docs/config.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(published)).toEqual(configSchema());
});

test('an editor is told the accepted values and lengths of time as they are written', () => {
  expect(configSchema()).toMatchObject({
    additionalProperties: false,
    properties: {
      policy: { properties: { default: { enum: ['allow', 'deny', 'ask'] } } },
      limits: { properties: { taskTimeout: { anyOf: [{ type: 'integer' }, { type: 'string' }] } } },
    },
  });
});
