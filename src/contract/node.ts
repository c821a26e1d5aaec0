import { z } from 'zod';
import { BackendId } from './ids.ts';

/** Where nodes connect, by WebSocket. */
export const NODE_PATH = '/api/v1/node';

/** Of a machine that offers itself as a host. */
export const NodeName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'small letters, digits and dashes, at most 40')
  .refine((name) => name !== 'local', 'local is the name of the machine that Gantry runs on');
export type NodeName = z.infer<typeof NodeName>;

/** What the token of a node's connection is good for. `only`: the one name; null: any. */
export type NodeRight = {
  readonly only: NodeName | null;
  readonly tokenId: string;
  readonly isStillValid: () => boolean;
};

export const FleetNode = z.object({
  name: NodeName,
  /** `away`: the connection is lost, its agents go on until the lease is over. `expected`: configured, and not here. */
  state: z.enum(['connected', 'away', 'expected']),
  version: z.string().nullable(),
  /** Operating system and processor. */
  system: z.string().nullable(),
  /** What it can run, by the node's own names. */
  backends: z.array(BackendId),
  /** Sessions that are open there. */
  sessions: z.number().int().nonnegative(),
  /** When that state began, ms; null if it was never here. */
  since: z.number().nullable(),
});
export type FleetNode = z.infer<typeof FleetNode>;
