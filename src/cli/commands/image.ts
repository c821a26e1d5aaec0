import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../contract/errors.ts';
import { runCommand } from '../../process/run.ts';
import { defineCommand, option } from '../command.ts';

const CONTAINERFILE = fileURLToPath(new URL('../../hosts/Containerfile', import.meta.url));
/** A base image is pulled, and packages are installed in it. */
const LIMIT_MS = 15 * 60_000;

export const build = defineCommand({
  options: {
    base: option('--base <image>', 'made from this image; default: Debian 12'),
    file: option('--file <containerfile>', 'a Containerfile of your own; default: that of Gantry'),
  },
  details: ['Makes what isolation "container" runs agents in, under the name container.image with container.engine.'],
  run: async (context, args) => {
    const { output, environment } = context;
    const client = await context.client();
    const { items } = await client.call('config.explain', { key: 'container' });
    const setting = (key: string): string => String(items.find((item) => item.key === `container.${key}`)?.value);
    const [engine, image] = [setting('engine'), setting('image')];
    const file = args.file ?? CONTAINERFILE;
    const base = args.base === undefined ? [] : ['--build-arg', `BASE=${args.base}`];
    output.note(`${engine} builds ${image} from ${args.base ?? file} …`);
    const result = await runCommand({
      command: [engine, 'build', '--tag', image, ...base, '--file', file, dirname(file)],
      cwd: process.cwd(),
      env: Object.fromEntries(
        Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
      ),
      marker: null,
      limitMs: LIMIT_MS,
    });
    if (result.code !== 0) {
      const words = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-20).join('\n');
      throw new AppError('spawn_failed', `${engine} could not build ${image}:\n${words}`);
    }
    output.result({ engine, image }, () => [`${image} is ready.`]);
  },
});
