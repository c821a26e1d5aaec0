import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, longest first: begun late, one of them would keep the others' processors waiting at the end. */
const LONGEST = [
  'conformance/acp',
  'scenarios/opencode-scenarios',
  'scenarios/claude-scenarios',
  'scenarios/two-programs',
  'conformance/acp-claude',
  'faults/real-kill',
  'conformance/opencode',
  'faults/daemon-kill',
  'scenarios/crash',
  'scenarios/closed',
  'engine/engine',
  'conformance/claude',
].map((name) => `/${name}.test.ts`);

/** Those first, then the others as vitest orders them: what failed, what took long, what is large. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
