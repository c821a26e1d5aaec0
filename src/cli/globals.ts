/** What holds for every command. */
export type Globals = {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly home: string | null;
  readonly url: string | null;
  readonly token: string | null;
  /** The daemon must be running: it is not started. */
  readonly mustRun: boolean;
};

export const GLOBAL_OPTIONS: readonly (readonly [flags: string, summary: string])[] = [
  ['--json', 'one JSON document on stdout, nothing else there'],
  ['-q, --quiet', 'the result only'],
  ['--home <dir>', 'where Gantry keeps its files (GANTRY_HOME)'],
  ['--url <url>', 'the daemon to talk to (GANTRY_URL)'],
  ['--token <token>', 'the token for it (GANTRY_TOKEN)'],
  ['--require-daemon', 'fail if the daemon is not running, instead of starting it'],
];
