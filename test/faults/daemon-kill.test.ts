import { daemonIsKilled } from '../support/kill-run.ts';
import { fake } from '../support/scripted-agent.ts';

daemonIsKilled(fake, { usual: 10, most: 100 });
