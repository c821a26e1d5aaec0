import { daemonIsKilled } from '../support/kill-run.ts';
import { fake } from '../support/scripted-agent.ts';

daemonIsKilled(fake, { other: null, usual: 6, most: 100 });
