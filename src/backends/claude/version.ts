/** The version that everything here was measured on. */
export const TESTED_VERSION = '2.1.329';
export const INSTALL = 'npm install -g @anthropic-ai/claude-code@2.1.329';

/**
 * Whether the driver can work with a version, and what is worth knowing of it. Its protocol changes with its versions:
 * another minor, and one that is older than the tested one, are refused; a newer release of the same minor is told.
 */
export function checkVersion(version: string): { readonly problem: string | null; readonly notice: string | null } {
  const [major, minor, patch] = numbersOf(version);
  const [testedMajor, testedMinor, testedPatch = 0] = numbersOf(TESTED_VERSION);
  const isKnown = major === testedMajor && minor === testedMinor && patch !== undefined && patch >= testedPatch;
  if (!isKnown) {
    const problem = `Claude Code has version ${version}; this Gantry drives 2.1, from ${TESTED_VERSION} on: ${INSTALL}`;
    return { problem, notice: null };
  }
  const notice = patch === testedPatch ? null : `Claude Code ${version} is not tested; ${TESTED_VERSION} is`;
  return { problem: null, notice };
}

const numbersOf = (version: string): number[] => /^\d+\.\d+\.\d+/.exec(version)?.[0].split('.').map(Number) ?? [];
