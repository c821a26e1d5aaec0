import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** What the figures were measured on, in lines. */
export function machineLines(opencodeVersion: string): string[] {
  const [cpu] = cpus();
  const git = execFileSync('git', ['--version'], { encoding: 'utf8' }).trim();
  return [
    `${cpus().length} × ${cpu?.model.trim() || 'unknown processor'}, ${Math.round(totalmem() / 1e9)} GB, ${process.platform} ${release()}`,
    `Node ${process.version}, OpenCode ${opencodeVersion}, ${git}`,
    `load before: ${loadavg()
      .map((l) => l.toFixed(2))
      .join(' ')}`,
  ];
}
