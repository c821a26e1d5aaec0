import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const MAJOR = 24;

/** A Node.js that runs Gantry: this very process's, or the one that `npm start` or `npm test` installed. Null if there is none. */
export function findNode(root) {
  if (Number(process.versions.node.split('.')[0]) >= MAJOR) return process.execPath;
  const platform = `${process.platform}-${process.arch}`;
  const places = [
    join(root, 'agents', 'opencode', 'node_modules', `node-${platform}`, 'bin', 'node'),
    join(root, 'node_modules', 'node', 'bin', 'node'),
  ];
  return places.find((place) => existsSync(place) && majorOf(place) >= MAJOR) ?? null;
}

function majorOf(node) {
  try {
    return Number(execFileSync(node, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' }));
  } catch {
    // It is there and does not run, as a program of another system: not the one that is looked for.
    return 0;
  }
}
