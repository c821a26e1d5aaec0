import { once } from 'node:events';
import { loadDemoScript, loadScript } from '../../models/scripted/script.ts';
import { startScriptedModel } from '../../models/scripted/server.ts';
import { defineCommand, integer, option } from '../command.ts';

export const serve = defineCommand({
  options: {
    script: option('--script <file>', 'what the model says, as JSON; default: the script of the demo'),
    port: option('--port <n>', 'the port to listen on; default: a free one', integer(0, 65_535)),
    log: option('--log <file>', 'append every request to this file, a line of JSON each'),
  },
  run: async ({ output }, args) => {
    const script = args.script === undefined ? await loadDemoScript() : await loadScript(args.script);
    await using model = await startScriptedModel({
      script,
      port: args.port ?? 0,
      ...(args.log !== undefined && { logFile: args.log }),
    });
    output.result({ url: model.url, port: model.port }, () => [model.url]);
    output.note(`OpenAI: ${model.url}/v1    Anthropic: ${model.url}    Ctrl-C stops it.`);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  },
});
