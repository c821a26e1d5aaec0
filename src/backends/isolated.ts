import type { BackendContext, OpenSpec } from './backend.ts';

/** What a driver works with for one session. The user's configuration and login are not to be had behind walls. */
export function contextFor({ isolated }: Pick<OpenSpec, 'isolated'>, context: BackendContext): BackendContext {
  if (!isolated) return context;
  return { ...context, ...isolated, settings: { ...context.settings, profile: 'private' } };
}
