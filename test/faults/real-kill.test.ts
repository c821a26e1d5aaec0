import { claude } from '../support/claude-agent.ts';
import { daemonIsKilled } from '../support/kill-run.ts';
import { opencode } from '../support/opencode-agent.ts';

// A point takes about ten seconds of a processor.
daemonIsKilled(opencode, { other: claude, usual: 3, most: 10 });
