// Writes docs/config.schema.json from the contract; with --check only says whether it is up to date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { configSchema } from '../src/daemon/config-schema.ts';

const file = new URL('../docs/config.schema.json', import.meta.url);
const text = `${JSON.stringify(configSchema(), null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
  console.error('docs/config.schema.json is out of date: run `node scripts/config-schema.mjs`');
  process.exitCode = 1;
}
