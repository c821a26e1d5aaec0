import { argument, defineCommand, oneOf } from '../command.ts';
import { completionScript, SHELLS } from '../completion.ts';

export const completion = defineCommand({
  arguments: { shell: argument('shell', SHELLS.join(', '), SHELLS) },
  details: [
    'bash:  gantry completion bash > ~/.local/share/bash-completion/completions/gantry',
    'zsh:   gantry completion zsh > DIR/_gantry, where DIR is in $fpath',
    'fish:  gantry completion fish > ~/.config/fish/completions/gantry.fish',
  ],
  run: async ({ output, shell }, args) => {
    output.raw(await completionScript(oneOf(SHELLS).parse(args.shell), shell.commands));
  },
});
