import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tempDir } from '../support/temp.ts';
import { accept } from './accept.ts';
import { attempts } from './attempts.ts';
import { backends } from './backends.ts';
import { claudeStart } from './claude-start.ts';
import { commands } from './commands.ts';
import { facts } from './facts.ts';
import { firstByte } from './first-byte.ts';
import { history } from './history.ts';
import { hook } from './hook.ts';
import { idle } from './idle.ts';
import { ingest } from './ingest.ts';
import { isolation } from './isolation.ts';
import { live } from './live.ts';
import { describeMachine, type Machine } from './machine.ts';
import { mcp } from './mcp.ts';
import { page, pageStored } from './page.ts';
import { reads } from './reads.ts';
import { pageReport, type Result, textReport } from './report.ts';
import { scheduler } from './scheduler.ts';
import { stalled } from './stalled.ts';
import { store } from './store.ts';

/** Measures Gantry's own overhead: `npm run bench [-- --only NAME] [--original DIR] [--quick | --write]`. */
const MEASURES = [
  commands,
  hook,
  idle,
  facts,
  accept,
  firstByte,
  claudeStart,
  backends,
  isolation,
  attempts,
  scheduler,
  store,
  ingest,
  live,
  reads,
  stalled,
  history,
  mcp,
  page,
  pageStored,
];
const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));
const BUILD = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url));

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    quick: { type: 'boolean', default: false },
    /** `apps/server` of a checkout of the hooks observability server. */
    original: { type: 'string' },
    /** Writes what was measured into docs/performance.md; only from a run in full. */
    write: { type: 'boolean', default: false },
  },
});
const unknown = values.only.filter((name) => !MEASURES.some((measure) => measure.name === name));
if (unknown.length > 0 || (values.write && values.quick)) {
  console.error(
    `npm run bench -- [--only ${MEASURES.map(({ name }) => name).join('|')}] [--original DIR] [--quick | --write]`,
  );
  process.exit(2);
}

const began = performance.now();
const machine = await lookAtMachine();
execFileSync(process.execPath, [BUILD], { stdio: 'inherit' });
const options = { isQuick: values.quick, original: values.original ?? null };
const results: Result[] = [];
for (const measure of MEASURES) {
  if (values.only.length > 0 && !values.only.includes(measure.name)) continue;
  const { name, title, how } = measure;
  process.stderr.write(`${name} …\n`);
  results.push({ name, title, how, rows: await measure.run(options) });
}
console.log(textReport(machine, results));
console.log(`took ${Math.round((performance.now() - began) / 1000)} s`);
if (values.write) {
  const measured = { machine, results, date: new Date().toISOString().slice(0, 10) };
  const titles = MEASURES.map(({ title }) => title);
  writeFileSync(PAGE, pageReport(measured, titles, readFileSync(PAGE, 'utf8')));
}

async function lookAtMachine(): Promise<Machine> {
  await using home = await tempDir();
  return describeMachine(home.path);
}
