import { backendConformance } from './backend-suite.ts';
import { fakeRig } from './fake-rig.ts';

backendConformance({
  name: 'fake',
  capabilities: {
    resume: true,
    fork: true,
    steer: true,
    interrupt: true,
    questions: true,
    children: true,
    mcp: false,
    reasoning: true,
    cost: true,
    transcript: true,
    survivesRestart: false,
    attach: true,
  },
  exceptions: [],
  setup: fakeRig,
});
