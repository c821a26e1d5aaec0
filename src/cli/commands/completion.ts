import { argument, defineCommand, oneOf } from '../command.ts';
import { completionScript, SHELLS } from '../completion.ts';

export const completion = defineCommand({
  arguments: { shell: argument('shell', SHELLS.join(', '), SHELLS) },
  details: [
    'For bash:',
    '  mkdir -p ~/.local/share/bash-completion/completions',
    '  gantry completion bash > ~/.local/share/bash-completion/completions/gantry',
    'For zsh, where DIR is in $fpath:',
    '  gantry completion zsh > DIR/_gantry',
    'For fish:',
    '  gantry completion fish > ~/.config/fish/completions/gantry.fish',
  ],
  run: async ({ output, shell }, args) => {
    output.raw(await completionScript(oneOf(SHELLS).parse(args.shell), shell.commands));
  },
});
