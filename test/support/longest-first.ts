import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, longest first: begun late, one of them would keep the others' processors waiting at the end. */
const LONGEST = [
  'scenarios/opencode-scenarios',
  'scenarios/claude-scenarios',
  'conformance/acp',
  'conformance/acp-claude',
  'scenarios/two-programs',
  'faults/real-kill',
  'conformance/opencode',
  'conformance/claude',
  'faults/daemon-kill',
  'scenarios/cli',
  'scenarios/mixed',
  'scenarios/agents',
  'scenarios/start',
  'scenarios/demo',
  'scenarios/offline',
  'engine/engine',
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
