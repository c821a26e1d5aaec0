import { join } from 'node:path';

/** Everything that a program takes for its user's home, below `base`. */
export function privateHome(base: string): Readonly<Record<string, string>> {
  return {
    HOME: join(base, 'home'),
    XDG_CONFIG_HOME: join(base, 'config'),
    XDG_DATA_HOME: join(base, 'data'),
    XDG_CACHE_HOME: join(base, 'cache'),
    XDG_STATE_HOME: join(base, 'state'),
    TMPDIR: join(base, 'tmp'),
  };
}
