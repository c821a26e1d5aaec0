import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The faults of the matrix, in the order of the page. */
export const FAULTS = [
  'kill agent',
  'kill daemon',
  'kill host',
  'cut stream',
  'disk full',
  'clock jump',
  'late word',
  'duplicate word',
] as const;
export type Fault = (typeof FAULTS)[number];

export const PAGE = fileURLToPath(new URL('../../docs/fault-matrix.md', import.meta.url));

/** What a run observed, until the page is written. */
export const recordFile = (backend: string, fault: Fault): string =>
  fileURLToPath(new URL(`../../node_modules/.cache/fault-matrix/${backend}/${fault}`, import.meta.url));

const BACKENDS = ['fake', 'opencode', 'claude', 'acp'];

/** Writes docs/fault-matrix.md after a run in which every fault was made and every assertion held. */
function writePage(): void {
  const sections = BACKENDS.map((backend) => {
    const rows = FAULTS.map((fault) => {
      const file = recordFile(backend, fault);
      if (!existsSync(file)) throw new Error(`${backend}: ${fault} was not made`);
      return `| ${fault} | ${readFileSync(file, 'utf8').replaceAll('|', '\\|')} |`;
    });
    return `## ${backend}\n\n| fault | observed |\n| --- | --- |\n${rows.join('\n')}\n`;
  });
  for (const backend of BACKENDS) for (const fault of FAULTS) rmSync(recordFile(backend, fault));
  writeFileSync(
    PAGE,
    `<!-- Written by \`npm run test:faults\`: change test/faults/matrix.ts, not this page. -->

# Faults and what was observed

Each line is a run of that fault on that agent program, really made in the middle of a task. The page is written only if every
assertion of every run held, last on ${new Date().toISOString().slice(0, 10)}; what a line says was asserted or measured. \`acp\` is OpenCode by the Agent Client Protocol.
The streams that are cut: of the fake agent its own to the daemon; of the real programs that of their model, as the pipe to the daemon
of \`claude\` and \`acp\` ends only with them, which is “kill agent” (of OpenCode it is cut in src/backends/opencode/attach.test.ts).

${sections.join('\n')}`,
  );
}

if (import.meta.filename === process.argv[1]) writePage();
