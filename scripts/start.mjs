// The main job: without arguments the demo, with a request the same on the user's own OpenCode and model.
import { runCli } from './run-cli.mjs';

const given = process.argv.slice(2);
const command = given.every((argument) => argument.startsWith('-')) ? 'demo' : 'run';
runCli([command, ...given]);
