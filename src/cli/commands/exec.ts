import { textFrom } from '../ask.ts';
import { defineCommand, flag, oneOf, option, time } from '../command.ts';
import { projectFrom } from '../context.ts';
import { execute, printExec, printExecFailure } from '../exec.ts';

export const exec = defineCommand({
  options: {
    prompt: option('-p, --prompt <text>', 'the prompt; - reads standard input'),
    format: option('-f, --format <format>', 'how the answer is printed; default text', oneOf(['text', 'json'])),
    directory: option('-c, --cwd <dir>', 'where the agent works; default: this directory'),
    isDebug: flag('-d, --debug', 'say on stderr what happens'),
    backend: option('--backend <id>', 'the agent program'),
    model: option('-m, --model <provider/model>', 'its model'),
    resume: option('--resume <session>', "go on with this session, by the agent program's own id"),
    timeoutMs: option('--timeout <time>', 'at most so long; default 30m', time),
  },
  details: ['With -f json one line: {"content","session_id"}, or {"error":{"code","message"},"session_id"?}.'],
  run: async (context, args) => {
    const isJson = args.format === 'json' || context.globals.isJson;
    try {
      const prompt = await textFrom(context, args.prompt, 'What is the prompt?');
      const client = await context.client();
      const result = await execute(context, client, args.isDebug, {
        prompt,
        directory: projectFrom(context, args.directory ?? '.'),
        backend: args.backend,
        model: args.model,
        resume: args.resume,
        timeoutMs: args.timeoutMs,
      });
      return printExec(context, result, isJson);
    } catch (error) {
      return printExecFailure(context, error, isJson);
    }
  },
});
