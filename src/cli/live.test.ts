import { expect, it } from 'vitest';
import { Live } from './live.ts';

const terminal = (columns: number) => {
  const written: string[] = [];
  return { stream: { isTTY: true, columns, write: (text: string) => written.push(text) }, written };
};

it('writes nothing when nothing has changed', () => {
  const { stream, written } = terminal(80);
  const live = new Live(stream);
  live.draw(['a', 'b']);
  live.draw(['a', 'b']);
  expect(written).toEqual(['a\nb\n']);
});

it('goes back over what it wrote, and clears it', () => {
  const { stream, written } = terminal(80);
  const live = new Live(stream);
  live.draw(['a', 'b']);
  live.draw(['c']);
  live.clear();
  live.clear();
  expect(written.slice(1)).toEqual(['\u001b[2A\r\u001b[Jc\n', '\u001b[1A\r\u001b[J']);
});

it('counts the rows of lines that a narrower terminal has broken', () => {
  const { stream, written } = terminal(80);
  const live = new Live(stream);
  live.draw(['x'.repeat(50)]);
  stream.columns = 20;
  live.draw(['y']);
  expect(written[1]).toBe('\u001b[3A\r\u001b[Jy\n');
});
