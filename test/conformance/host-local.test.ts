import { localHost } from '../../src/hosts/local.ts';
import { describeHost } from './host.ts';

describeHost(localHost);
