import { describe, expect } from 'vitest';
import { httpClient, type McpClient, stdioClient, tokenOf } from '../support/mcp.ts';
import { scenario } from '../support/scenario.ts';

describe('a delegated task', () => {
  scenario(
    'is carried out and can be read, by three clients at once, of either transport and either era of the protocol',
    {},
    async (world) => {
      const token = await tokenOf(world);
      await using sessions = await httpClient(world, { token });
      await using stateless = await httpClient(world, { token, isStateless: true });
      await using stdio = await stdioClient(world, token);
      const carriedOut = async ({ tool, client }: McpClient, at: number): Promise<void> => {
        expect((await tool('ping')).value).toMatchObject({ status: 'ok' });
        // Agents that change the same lines are told of each other, and answer that too.
        const path = `out-${at}.txt`;
        const done = await tool('opencode_execute_task', {
          agent_id: `agent-${at}`,
          task_description: `Write it.\n${world.agent.play({ write: { path, content: `of ${at}\n` } }, { text: `wrote ${at}` })}`,
          sync: true,
        });
        expect(done.value).toMatchObject({ status: 'completed', output: `wrote ${at}` });
        const { task_id } = done.value;
        const files = await tool('get_task_files', { task_id });
        expect(files.value).toMatchObject({ files: [path] });
        const file = await tool('read_task_file', { task_id, file_path: path });
        expect(file.value).toMatchObject({ content: `of ${at}\n`, encoding: 'utf-8' });
        expect(file.structured).toEqual(file.value);
        const { resources } = await client.listResources();
        const work = resources.find(({ uri }) => uri === `gantry://tasks/${String(task_id)}/diff`);
        const { contents } = await client.readResource({ uri: String(work?.uri) });
        expect(contents).toMatchObject([{ mimeType: 'text/x-diff', text: expect.stringContaining(`+of ${at}`) }]);
        await expect(client.readResource({ uri: 'gantry://tasks/task-nobody/diff' })).rejects.toThrow();
        const { messages } = await client.getPrompt({ name: 'review', arguments: { task_id: String(task_id) } });
        expect(messages).toMatchObject([{ content: { text: expect.stringContaining(String(task_id)) } }]);
        await expect(client.getPrompt({ name: 'review' })).rejects.toThrow('task_id');
      };
      await Promise.all([sessions, stateless, stdio].map(carriedOut));
    },
  );
});
