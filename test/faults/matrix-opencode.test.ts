import { opencode } from '../support/opencode-agent.ts';
import { matrix } from './matrix.ts';

matrix(opencode);
