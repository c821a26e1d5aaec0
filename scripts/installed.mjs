import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What npm says that it installed in a folder (its hidden lockfile), and what the lockfile wants there. */
const packagesOf = (file) => {
  if (!existsSync(file)) return null;
  return Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages).filter(([path]) => path !== '');
};

const isMusl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;

/** Whether a package is meant for this machine. npm leaves `libc` out of some lockfile entries: the name tells it then. */
function fits(path, { os, cpu, libc }) {
  // Without `os` and `cpu` it is what another optional package needs, which may not be meant for this machine.
  if (os === undefined && cpu === undefined) return false;
  const wanted =
    libc ?? (/musl/.test(path) ? ['musl'] : /linux/.test(path) && /gnu/.test(path) ? ['glibc'] : undefined);
  const holds = (list, value) => list === undefined || [list].flat().includes(value);
  return holds(os, process.platform) && holds(cpu, process.arch) && holds(wanted, isMusl ? 'musl' : 'glibc');
}

/**
 * Whether a folder's node_modules holds all that its lockfile asks for; without `dev`, development packages are not asked for, without
 * `optional` optional ones.
 */
export function isInstalled(folder, { dev, optional = true }) {
  const wanted = packagesOf(join(folder, 'package-lock.json'));
  const present = new Map(packagesOf(join(folder, 'node_modules', '.package-lock.json')) ?? []);
  return wanted.every(([path, entry]) => {
    if (entry.dev && !dev) return true;
    if (entry.optional && !(optional && fits(path, entry))) return true;
    const isRight = present.get(path)?.version === entry.version && present.get(path)?.integrity === entry.integrity;
    return isRight && existsSync(join(folder, path, 'package.json'));
  });
}

/** Whether development packages were installed in the folder before. */
export function hasDevelopmentPackages(folder) {
  return (packagesOf(join(folder, 'node_modules', '.package-lock.json')) ?? []).some(([, entry]) => entry.dev);
}
