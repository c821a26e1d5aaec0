import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { opencodeProgram } from '../support/opencode.ts';
import { environmentFor } from '../support/temp.ts';

/** What the figures depend on. */
export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  readonly opencode: string;
  readonly git: string;
  /** Averages of 1, 5 and 15 minutes, before anything was measured. */
  readonly load: string;
};

export function describeMachine(home: string): Machine {
  const processors = cpus();
  const version = (program: string): string =>
    execFileSync(program, ['--version'], { encoding: 'utf8', env: environmentFor(home) }).trim();
  return {
    cpu: processors[0]?.model.trim() || 'unknown processor',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    opencode: version(opencodeProgram()),
    git: version('git'),
    load: loadavg()
      .map((value) => value.toFixed(1))
      .join(', '),
  };
}
