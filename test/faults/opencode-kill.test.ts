import { daemonIsKilled } from '../support/kill-run.ts';
import { opencode } from '../support/opencode-agent.ts';

// A point takes about eight seconds of a processor.
daemonIsKilled(opencode, { usual: 3, most: 10 });
