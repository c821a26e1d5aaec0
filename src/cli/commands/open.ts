import { openInBrowser } from '../browser.ts';
import { defineCommand, flag } from '../command.ts';

export const open = defineCommand({
  options: { isPrintOnly: flag('--print', 'only print the link') },
  run: async ({ client, output, environment }, args) => {
    const { url, expiresAt } = await (await client()).call('login.create', {});
    output.result({ url, expiresAt }, () => [url]);
    output.note('The link logs one browser in, once, within five minutes.');
    if (!args.isPrintOnly) await openInBrowser(url, environment);
  },
});
