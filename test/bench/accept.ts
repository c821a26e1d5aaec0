import { startScriptedModel } from '../../src/models/scripted/server.ts';
import { fakeConfig, opencodeConfig, PROMPTS } from './agents.ts';
import { type BenchHome, benchHome } from './bench-home.ts';
import { submitOne } from './one-task.ts';
import { type Measure, sampled } from './report.ts';
import { repeat } from './sample.ts';

/** From a request to a working agent. */
export const accept: Measure = {
  name: 'accept',
  title: 'From the request to the first prompt',
  how: 'A request of one task, without a planner, from the HTTP call to the moment when a WebSocket reader sees that the agent has taken the prompt. In between: the task, the claim, a git worktree, the agent’s session. Cold: the daemon has just been started and starts OpenCode’s server first; warm: that server runs. A fake agent is a Node of its own for each session.',
  run: async ({ isQuick }) => {
    await using model = await startScriptedModel({});
    await using fakeHome = await benchHome(fakeConfig);
    await using opencodeHome = await benchHome(opencodeConfig(model.url));
    const fake = await accepted(fakeHome, PROMPTS.fake.say, isQuick ? 3 : 15);
    const rounds = await repeat(isQuick ? 1 : 3, () => accepted(opencodeHome, PROMPTS.opencode.say, isQuick ? 2 : 5));
    return [
      sampled('fake agent', 'ms', fake.slice(1)),
      sampled(
        'OpenCode, cold',
        'ms',
        rounds.flatMap((ms) => ms.slice(0, 1)),
      ),
      sampled(
        'OpenCode, warm',
        'ms',
        rounds.flatMap((ms) => ms.slice(1)),
      ),
    ];
  },
};

/** One after the other on a fresh daemon. */
async function accepted(home: BenchHome, text: string, n: number): Promise<number[]> {
  await using daemon = await home.up();
  const watch = await daemon.watch();
  return await repeat(n, async () => {
    const { accepted, done } = await submitOne(home, daemon, watch, text);
    // The next one must not meet the end of this one.
    await done;
    return await accepted;
  });
}
