import { argument, defineCommand } from '../command.ts';
import { diffLines } from '../diff.ts';
import { idOf } from '../ids.ts';

export const diff = defineCommand({
  arguments: { id: argument('request', 'a request (req_…)') },
  run: async ({ client, output }, args) => {
    const found = await (await client()).call('requests.diff', { id: idOf(args.id, ['req']) });
    output.result(found, () => {
      if (found.diff === '') return ['Nothing was changed.'];
      return output.isTerminal ? diffLines(found.diff, output.paint) : [found.diff.replace(/\n$/, '')];
    });
    if (found.isTruncated) output.note('The diff is longer than this. All of it: git diff in the project.');
  },
});
