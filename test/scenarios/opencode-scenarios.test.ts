import { opencode } from '../support/opencode-agent.ts';
import { playOn } from '../support/scenario.ts';

// One daemon and one OpenCode server carry out all of them, one after the other: a start of both costs seven seconds of a
// processor. The first has the most backends, so that the daemon need not be started anew for any other.
playOn(opencode);
await import('./failover.test.ts');
await import('./start.test.ts');
await import('./work.test.ts');
await import('./permissions.test.ts');
await import('./resume.test.ts');
await import('./load.test.ts');
await import('./closed.test.ts');
await import('./crash.test.ts');
await import('./budget.test.ts');
await import('./isolation.test.ts');
await import('./standing.test.ts');
await import('./behind-walls.test.ts');
await import('./warm.test.ts');
await import('./mcp.test.ts');
await import('./mcp-outcomes.test.ts');
await import('./mcp-tasks.test.ts');
