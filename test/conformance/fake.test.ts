import { backendConformance } from './backend-suite.ts';
import { FAKE_CAPABILITIES, fakeRig } from './fake-rig.ts';

backendConformance({
  name: 'fake',
  capabilities: FAKE_CAPABILITIES,
  exceptions: [],
  setup: fakeRig,
});
