import { openDocker } from '../support/docker.ts';
import { describeContainerHost } from './container-engine.ts';

await describeContainerHost('docker', await openDocker());
