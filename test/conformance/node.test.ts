import { dirname, join } from 'node:path';
import type { Backend, BackendContext } from '../../src/backends/backend.ts';
import { remoteBackend } from '../../src/fleet/remote-backend.ts';
import { keyOf } from '../../src/fleet/twin.ts';
import { nearNode } from '../support/near-node.ts';
import type { Place } from './backend/rig.ts';
import { backendConformance } from './backend-suite.ts';
import { FAKE_CAPABILITIES, fakeBackend, fakeRig } from './fake-rig.ts';

/** A driver that a node runs; the node leaves when the backend is closed. */
function onNode(context: BackendContext): Backend {
  const like = fakeBackend(context);
  const node = nearNode({ home: join(context.home, 'node'), environment: context.environment, backend: like });
  const { fleet, git } = node;
  const workspaces = dirname(context.home);
  const lend = (token: string): string => token;
  const far = remoteBackend({ like, node: 'near', program: like.id, fleet, git, workspaces, lend });
  return {
    ...far,
    probe: async (signal) => {
      await fleet.wait('near', 20_000, signal);
      return await far.probe(signal);
    },
    // A node does this when it starts.
    sweep: (inUse) => like.sweep(inUse),
    close: async (graceMs) => {
      await far.close(graceMs);
      await node[Symbol.asyncDispose]();
      await like.close(graceMs);
    },
  };
}

const checkoutOf = ({ home, project }: Place): string => join(home, 'node', 'checkouts', keyOf(project));

backendConformance({
  name: 'fake on a node',
  capabilities: { ...FAKE_CAPABILITIES, attach: false },
  exceptions: [],
  setup: async (root) => ({ ...(await fakeRig(root)), create: onNode, worksIn: checkoutOf }),
});
