import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { AppError } from '../../contract/errors.ts';
import { variable } from '../../daemon/environment.ts';
import { hookCommand, hookScriptOf, SPOOLED, spoolOf } from '../../daemon/hook-script.ts';
import { defineCommand, flag } from '../command.ts';

export const hook = defineCommand({
  options: { isPrinted: flag('--print', 'print the shell line that does the same in a fraction of the time') },
  details: ["Leaves the hook's JSON from standard input for the daemon, and never starts or waits for one."],
  run: async ({ home, output, stdin, environment }, args) => {
    if (args.isPrinted) {
      if (!existsSync(hookScriptOf(home))) {
        const remedy = 'Run `gantry plugin install claude` first.';
        throw new AppError('not_found', `there is no ${hookScriptOf(home)}`, { details: { remedy } });
      }
      return output.result({ command: hookCommand(home) }, () => [hookCommand(home)]);
    }
    const directory = spoolOf(home);
    const json = await text(stdin);
    if (!existsSync(directory)) return;
    const id = randomUUID();
    const unfinished = join(directory, `.${id}.${process.pid}`);
    writeFileSync(unfinished, `${variable(environment, 'GANTRY_SOURCE_APP') ?? 'claude-code'}\n${json}`, {
      mode: 0o600,
    });
    renameSync(unfinished, join(directory, `${id}.${process.pid}${SPOOLED}`));
  },
});
