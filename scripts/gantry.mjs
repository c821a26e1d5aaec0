// The CLI from the sources: `npm run gantry -- <command>`.
import { runCli } from './run-cli.mjs';

runCli(process.argv.slice(2));
