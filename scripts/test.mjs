// Runs all tests and closes with one line: `N passed, N failed[, N skipped]`. Arguments go to vitest (files, -t, …).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './find-node.mjs';

/** Tests that may be skipped, by a part of their full name, with the reason. Any other skip fails the run. */
const KNOWN_SKIPS = [
  { name: 'a disk that is full', reason: 'only root on Linux, outside of a strict container, can mount a small disk' },
  { name: 'in Chromium', reason: 'it is not installed (Debian: chromium)' },
  // Laws that a protocol or a program cannot keep: each states its reason in test/conformance/acp*.test.ts.
  ...[
    'with opencode acp a limit of the provider has its class',
    'with opencode acp a fork works where it is told to, and is resumed there',
    'with opencode acp the reason of a denial reaches the agent, and the command does not run',
    'with the adapter of Claude Code a limit of the provider has its class',
    "with the adapter of Claude Code usage is the provider's count",
    'with the adapter of Claude Code an allow is for once: the same command asks again',
    'with the adapter of Claude Code the reason of a denial reaches the agent, and the command does not run',
    'with the adapter of Claude Code an answer that does not fit the question is refused',
    'with the adapter of Claude Code an interrupted turn takes its open question back',
    'with the adapter of Claude Code kill -9 in a tool: it is noted as interrupted and not run again',
    'with the adapter of Claude Code a fork works where it is told to, and is resumed there',
    'with the adapter of Claude Code a fork knows what was said and leaves the original alone',
  ].map((name) => ({ name, reason: 'an exception of a law, with its reason in the name' })),
  {
    name: 'bubblewrap',
    reason: 'it is not installed (Debian: bubblewrap), or this system lets nobody make namespaces',
  },
  {
    name: 'podman cannot be used',
    reason: 'it is not installed (Debian: podman, runc), or may not make containers here',
  },
  { name: '::1 beside 127.0.0.1', reason: 'this machine has no IPv6' },
  { name: 'docker cannot be used', reason: 'dockerd is not on PATH (Debian: docker.io), or may not run here' },
  { name: 'strace cannot be used', reason: 'it is not installed (Debian: strace), or may not trace in this container' },
];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = findNode(root);
if (node === null) {
  console.log(`Node.js 24 or newer is needed; this is ${process.versions.node}`);
  process.exit(1);
}
const directory = mkdtempSync(join(tmpdir(), 'gantry-test-report-'));
const report = join(directory, 'report.json');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const run = spawnSync(node, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, PATH: [dirname(node), process.env.PATH ?? ''].join(delimiter) },
});
const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
rmSync(directory, { recursive: true });
process.exitCode = close(results);

/** Tests that nobody asked for: `-t` leaves them out. */
function isLeftOut(fullName) {
  const at = process.argv.findIndex((arg) => arg === '-t' || arg === '--testNamePattern');
  return at > 0 && !new RegExp(process.argv[at + 1]).test(fullName);
}

function close(results) {
  if (results === null) {
    console.log(`the tests did not run: ${run.signal ?? `exit code ${run.status}`}`);
    console.log('0 passed, 1 failed');
    return 1;
  }
  const skipped = results.testResults
    .flatMap((file) => file.assertionResults)
    .filter(({ status, fullName }) => status !== 'passed' && status !== 'failed' && !isLeftOut(fullName))
    .map(({ fullName }) => ({ fullName, known: KNOWN_SKIPS.find(({ name }) => fullName.includes(name)) }));
  const unknown = skipped.filter(({ known }) => !known);
  for (const { fullName, known } of skipped) {
    console.log(`skipped: ${fullName}: ${known?.reason ?? 'this skip is not listed in scripts/test.mjs'}`);
  }
  // A file that fails as a whole (it does not load, a hook throws) has no failed test of its own.
  const failedFiles = results.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  );
  const isUnexplained = run.status !== 0 && results.numFailedTests + failedFiles.length + unknown.length === 0;
  if (isUnexplained) console.log(`vitest failed outside of the tests: ${run.signal ?? `exit code ${run.status}`}`);
  const failed = results.numFailedTests + failedFiles.length + unknown.length + (isUnexplained ? 1 : 0);
  const known = skipped.length - unknown.length;
  console.log(`${results.numPassedTests} passed, ${failed} failed${known > 0 ? `, ${known} skipped` : ''}`);
  return failed > 0 ? 1 : 0;
}
