import { z } from 'zod';
import { Config } from '../contract/config.ts';

/** The JSON Schema of the configuration file, for editors: what a person may write there. */
export function configSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(Config, { io: 'input', target: 'draft-7' });
  return { $schema, title: 'Gantry configuration', ...schema };
}
