import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { opencodeProgram } from '../support/opencode.ts';
import { environmentFor } from '../support/temp.ts';
import { cliStart, idle } from './daemon.ts';
import { journal } from './journal.ts';
import { machineLines } from './machine.ts';
import { type Row, tableOf } from './stats.ts';
import { overhead, throughput } from './work.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const { quick } = flags;

const MEASURES: Readonly<Record<string, () => Promise<Row[]>>> = {
  cli: () => cliStart(quick ? 5 : 20),
  idle: () => idle(quick ? 20_000 : 200_000),
  journal: () => journal(quick ? 100_000 : 1_000_000),
  overhead: () => overhead(quick ? 3 : 12),
  throughput: () => throughput(quick),
};
const names = flags.only === undefined ? Object.keys(MEASURES) : flags.only.split(',');
const unknown = names.filter((name) => MEASURES[name] === undefined);
if (unknown.length > 0) {
  console.error(`no measure ${unknown.join(', ')}; accepted: ${Object.keys(MEASURES).join(', ')}`);
  process.exit(2);
}

execFileSync(process.execPath, [fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url))], {
  stdio: 'inherit',
});
const opencode = execFileSync(opencodeProgram(), ['--version'], {
  encoding: 'utf8',
  env: environmentFor('/nonexistent'),
}).trim();
const machine = machineLines(opencode);
console.log(machine.join('\n'));
const rows: Row[] = [];
for (const name of names) {
  console.error(`measuring ${name} …`);
  rows.push(...((await MEASURES[name]?.()) ?? []));
}
console.log(`\n${tableOf(rows)}`);
if (flags.write) {
  const text = `# Performance

Written by \`npm run bench -- --write\`; nothing here is typed by hand. The figures are of one run on one machine and say how
the parts compare, not what yours will show. A goal is what we aim at; where a figure misses it, it is missed.

${machine.map((line) => `- ${line}`).join('\n')}

${tableOf(rows)}
`;
  await writeFile(fileURLToPath(new URL('../../docs/performance.md', import.meta.url)), text);
}
