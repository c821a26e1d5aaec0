import { claude } from '../support/claude-agent.ts';
import { playOn } from '../support/scenario.ts';

// One daemon carries out all of them, one after the other. The first has the most backends, so that it need not be started
// anew for any other.
playOn(claude);
await import('./failover.test.ts');
await import('./start.test.ts');
await import('./work.test.ts');
await import('./permissions.test.ts');
await import('./resume.test.ts');
await import('./load.test.ts');
await import('./merges.test.ts');
await import('./crash.test.ts');
await import('./budget.test.ts');
await import('./isolation.test.ts');
await import('./standing.test.ts');
await import('./warm.test.ts');
