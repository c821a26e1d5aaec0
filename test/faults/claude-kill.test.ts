import { claude } from '../support/claude-agent.ts';
import { daemonIsKilled } from '../support/kill-run.ts';

// A point takes about six seconds of a processor.
daemonIsKilled(claude, { usual: 3, most: 10 });
