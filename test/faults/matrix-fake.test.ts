import { fake } from '../support/scripted-agent.ts';
import { matrix } from './matrix.ts';

matrix(fake);
