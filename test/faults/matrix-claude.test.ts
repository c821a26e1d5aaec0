import { claude } from '../support/claude-agent.ts';
import { matrix } from './matrix.ts';

matrix(claude);
