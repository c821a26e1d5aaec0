import { describe, expect, it } from 'vitest';
import { AppError } from '../contract/errors.ts';
import type { Invocation } from './command.ts';
import { parse } from './program.ts';
import { COMMANDS, GROUPS } from './table.ts';

const run = async (...argv: string[]): Promise<Extract<Invocation, { type: 'run' }>> => {
  const invocation = await parse(argv);
  if (invocation.type !== 'run') throw new Error(`${argv.join(' ')} runs nothing`);
  return invocation;
};
const refusal = async (...argv: string[]): Promise<AppError> => {
  try {
    await parse(argv);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error(`${argv.join(' ')} was accepted`);
};

describe('the command table', () => {
  it.each(COMMANDS.map((row) => [row.name, row] as const))(
    'loads %s, whose facts have the right shape',
    async (name, row) => {
      const command = await row.load();
      expect(command.run).toBeTypeOf('function');
      expect(name).toMatch(/^[a-z]+( [a-z]+)?$/);
      expect(row.summary).toMatch(/^[^A-Z].{3,60}[^.]$/);
      if (row.group !== null) expect(GROUPS).toContain(row.group);
      for (const { flags, summary } of Object.values(command.options)) {
        expect(flags).toMatch(/^(-\w, )?--[a-z-]+( <[\w/|,-]+>)?$/);
        expect(summary.length).toBeGreaterThan(3);
      }
      for (const { syntax, summary } of Object.values(command.arguments)) {
        expect(syntax).toMatch(/^(<[a-z ]+(\.\.\.)?>|\[[a-z ]+(\.\.\.)?\])$/);
        expect(summary.length).toBeGreaterThan(3);
      }
    },
  );

  it('has every name once', () => {
    expect(new Set(COMMANDS.map((row) => row.name)).size).toBe(COMMANDS.length);
  });

  it('gives no flag of a command two meanings', async () => {
    for (const row of COMMANDS) {
      const flags = Object.values((await row.load()).options).flatMap((fact) => fact.flags.match(/--?[\w-]+/g) ?? []);
      expect(new Set(flags).size, row.name).toBe(flags.length);
    }
  });
});

describe('a command line', () => {
  it('gives a command its arguments and options with their types', async () => {
    const { name, args, globals } = await run(
      '--json',
      'run',
      'write',
      'it',
      '--timeout',
      '30m',
      '--max-parallel=2',
      '--yes',
      '--home',
      '/h',
    );
    expect(name).toBe('run');
    expect(args).toMatchObject({
      text: 'write it',
      timeoutMs: 1_800_000,
      maxParallel: 2,
      yes: true,
      detach: false,
      model: undefined,
    });
    expect(globals).toMatchObject({ isJson: true, isQuiet: false, home: '/h' });
  });

  it('takes global options before and after the command', async () => {
    expect((await run('-q', 'tasks', '--json')).globals).toMatchObject({ isJson: true, isQuiet: true });
    expect((await run('project', 'ls', '--json')).globals.isJson).toBe(true);
  });

  it.each(['--home', '--url', '--token'])('takes no empty %s for one that was not given', async (flag) => {
    expect(await refusal('down', flag, '')).toMatchObject({ code: 'usage', message: `${flag} is empty` });
  });

  it('without a command is the prompt', async () => {
    expect((await run()).name).toBe('repl');
    expect((await run('--home', '/h')).globals.home).toBe('/h');
    expect((await run('--project', '/p')).args.project).toBe('/p');
  });

  it.each([
    ['after --', ['run', '--', '--help me'], '--help me'],
    ['with a dash and a space', ['run', '- fix it'], '- fix it'],
    ['with a flag inside', ['run', '--yes, do it'], '--yes, do it'],
    ['with quotes and line breaks', ['run', 'say "hi"\n$(x) \'y\''], 'say "hi"\n$(x) \'y\''],
    ['of standard input', ['run', '-'], '-'],
  ])('takes a text %s as it is', async (_what, argv, text) => {
    expect((await run(...argv)).args.text).toBe(text);
  });

  it.each(['--help', '-q', '--json', '-x y', '-', '--'])('takes the prompt %j of exec as it is', async (prompt) => {
    const { args } = await run('exec', '-p', prompt, '-f', 'json', '-q', '-c', '/d');
    expect(args).toMatchObject({ prompt, format: 'json', directory: '/d' });
  });

  it('refuses an unknown command or flag with the nearest name', async () => {
    expect((await refusal('stauts')).message).toBe("unknown command 'stauts' (Did you mean status?)");
    expect((await refusal('run', 'x', '--backnd', 'y')).message).toBe(
      "unknown option '--backnd' (Did you mean --backend?)",
    );
    expect((await refusal('--jsn')).message).toBe("unknown option '--jsn' (Did you mean --json?)");
    expect(await refusal('show')).toMatchObject({
      message: "missing required argument 'id'",
      details: { remedy: 'See: gantry show --help' },
    });
    expect((await refusal('stauts')).details?.remedy).toBe('See: gantry --help');
    expect((await refusal('tasks', 'x')).message).toContain('too many arguments');
    expect((await refusal('run', 'x', '--model')).message).toContain('argument missing');
  });

  it('names what is accepted', async () => {
    expect((await refusal('exec', '-p', 'x', '-f', 'xml')).details?.accepted).toEqual(['text', 'json']);
    expect((await refusal('run', 'x', '--timeout', 'soon')).details?.accepted).toEqual([
      'a length of time such as 30s, 15m or 2h',
    ]);
    expect((await refusal('run', 'x', '--max-tasks', '21')).details?.accepted).toEqual(['a whole number from 1 to 20']);
    expect((await refusal('run', 'x', '--budget-usd', '-1')).details?.accepted).toEqual([
      'an amount of US dollars such as 0.50',
    ]);
    const direct = await refusal('sling', 'x', 'p', '--merge', 'direct');
    expect(direct.message).toMatch(/^--merge: "direct" would pass by gates and reviews/);
    expect(direct.details?.accepted).toEqual(['queue', 'local']);
    expect((await run('sling', 'x', 'p', '--merge', 'mr')).args).toMatchObject({ merge: 'queue' });
    expect((await refusal('project')).details?.accepted).toEqual(['project add', 'project ls', 'project rm']);
    expect(await refusal('project', 'bogus')).toMatchObject({
      message: "unknown command 'bogus'",
      details: { accepted: ['project add', 'project ls', 'project rm'] },
    });
  });

  it('asks for help without running anything', async () => {
    for (const argv of [['--help'], ['help'], ['-h']]) {
      const help = await parse(argv);
      expect(help.type === 'help' && help.text).toContain('doctor');
    }
    for (const argv of [
      ['run', '--help'],
      ['help', 'run'],
      ['run', 'x', '-h'],
    ]) {
      const help = await parse(argv);
      expect(help.type === 'help' && help.text).toContain('--max-parallel');
    }
    for (const name of ['status', 'tasks']) {
      const help = await parse([name, '--help']);
      const own = name === 'tasks' ? ['Options:'] : [];
      expect(help.type === 'help' && help.text.match(/^[A-Z][\w ]+:$/gm)).toEqual([...own, 'For every command:']);
    }
    const completion = await parse(['completion', '--help']);
    expect(completion.type === 'help' && completion.text).toContain(
      '\n  gantry completion bash > ~/.local/share/bash-completion/completions/gantry\n',
    );
    const group = await parse(['help', 'project', 'add']);
    expect(group.type === 'help' && group.text).toContain('--trust');
    const whole = await parse(['--help']);
    expect(whole.type === 'help' && whole.text).not.toMatch(/\b(demo|repl)\b/);
  });

  it('answers the version wherever it is asked for', async () => {
    expect(await parse(['--json', '--version'])).toEqual({ type: 'version' });
  });
});
