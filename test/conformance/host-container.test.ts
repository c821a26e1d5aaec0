import { openPodman } from '../support/podman.ts';
import { describeContainerHost } from './container-engine.ts';

await describeContainerHost('podman', await openPodman());
