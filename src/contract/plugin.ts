import { z } from 'zod';

/**
 * What the OpenCode plugin does in a person's own session: nothing; tell what happens; also plan every message; also have
 * the plan carried out. In this order: each does what the one before it does.
 */
export const PLUGIN_MODES = ['off', 'observe', 'plan', 'execute'] as const;
export const PluginMode = z.enum(PLUGIN_MODES);
export type PluginMode = z.infer<typeof PluginMode>;
