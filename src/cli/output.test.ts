import { describe, expect, it } from 'vitest';
import { AppError } from '../contract/errors.ts';
import { colourPaint, Output, table } from './output.ts';

const capture = (options: { isJson?: boolean; isQuiet?: boolean; isTTY?: boolean; isColourWanted?: boolean } = {}) => {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY: options.isTTY ?? false,
    columns: 60,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const output = new Output({
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    isJson: options.isJson ?? false,
    isQuiet: options.isQuiet ?? false,
    isColourWanted: options.isColourWanted ?? true,
  });
  return { output, written };
};

describe('output', () => {
  it('keeps stdout for one document with --json', () => {
    const { output, written } = capture({ isJson: true });
    output.print('for people');
    output.note('progress');
    output.result({ a: 1 }, () => ['for people']);
    expect(JSON.parse(written.stdout)).toEqual({ a: 1 });
    expect(written.stderr).toBe('progress\n');
  });

  it('is silent beside the result with --quiet', () => {
    const { output, written } = capture({ isQuiet: true });
    output.note('progress');
    output.result({}, () => ['the result']);
    expect(written).toEqual({ stdout: 'the result\n', stderr: '' });
  });

  it('writes a failure in words with what is accepted and what to do', () => {
    const error = new AppError('usage', 'unknown shell "tcsh"', {
      details: { accepted: ['bash', 'zsh'], remedy: 'Try bash.' },
    });
    const human = capture();
    human.output.failure(error);
    expect(human.written.stderr).toBe('gantry: unknown shell "tcsh"\n  accepted: bash, zsh\n  Try bash.\n');
    const json = capture({ isJson: true });
    json.output.failure(error);
    expect(JSON.parse(json.written.stdout)).toEqual({
      error: { code: 'usage', message: 'unknown shell "tcsh"', details: error.details },
    });
  });

  it('lets nothing that an agent says act on a terminal, and keeps it for a file', () => {
    const said = '\u001b]52;c;aGVsbG8=\u0007\u001b[2Ja\u001b[31mb\u001b[39m\rc';
    const terminal = capture({ isTTY: true });
    terminal.output.result({}, () => [said, 'next']);
    terminal.output.note(said);
    terminal.output.failure(new AppError('backend_failed', said));
    expect(terminal.written.stdout).toBe('a\u001b[31mb\u001b[39m\ufffdc\nnext\n');
    expect(terminal.written.stderr).not.toMatch(/\]52|\[2J|\r/);
    const file = capture();
    file.output.result({}, () => [said]);
    expect(file.written.stdout).toBe(`${said}\n`);
  });

  it('colours only on a terminal, and only if that is wanted', () => {
    expect(capture({ isTTY: true }).output.paint('red', 'x')).toBe('\u001b[31mx\u001b[39m');
    expect(capture({ isTTY: false }).output.paint('red', 'x')).toBe('x');
    expect(capture({ isTTY: true, isColourWanted: false }).output.paint('red', 'x')).toBe('x');
  });
});

describe('table', () => {
  const columns = [{ title: 'ID' }, { title: 'TITLE', min: 8 }, { title: 'TIME', align: 'right' }] as const;
  const rows = [
    ['T1', 'Write the script that prints hello', '4s'],
    ['T2', 'Test it', '12s'],
  ];

  it('is as wide as its cells where there is room', () => {
    expect(table(columns, rows, 80)).toEqual([
      'ID  TITLE                               TIME',
      'T1  Write the script that prints hello    4s',
      'T2  Test it                              12s',
    ]);
  });

  it('cuts the columns that may be cut', () => {
    const lines = table(columns, rows, 30);
    expect(lines).toEqual([
      'ID  TITLE                 TIME',
      'T1  Write the script th…    4s',
      'T2  Test it                12s',
    ]);
  });

  it('becomes a list of cells where the columns cannot fit', () => {
    expect(table(columns, rows, 16)).toEqual([
      'ID     T1',
      'TITLE  Write the',
      '       script',
      '       that',
      '       prints',
      '       hello',
      'TIME   4s',
      '',
      'ID     T2',
      'TITLE  Test it',
      'TIME   12s',
    ]);
  });

  it('paints cells without counting the colours as width', () => {
    const lines = table([{ title: 'STATE', style: () => 'green' }, { title: 'X' }], [['ok', 'y']], 40, colourPaint);
    expect(lines[1]).toBe('\u001b[32mok   \u001b[39m  y');
  });
});
