import { acp } from '../support/acp-agent.ts';
import { matrix } from './matrix.ts';

matrix(acp);
