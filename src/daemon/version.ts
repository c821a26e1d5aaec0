import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Of the package that this file belongs to: `src/daemon` and `dist/daemon` are equally deep. */
export const VERSION: string = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))).version;
