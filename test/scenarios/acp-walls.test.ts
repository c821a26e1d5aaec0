import { acp } from '../support/acp-agent.ts';
import { playOn } from '../support/scenario.ts';

playOn(acp);
await import('./isolation.test.ts');
await import('./behind-walls.test.ts');
