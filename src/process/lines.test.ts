import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Line, readLines } from './lines.ts';

const NEVER = new Promise<never>(() => undefined);

async function linesOf(chunks: readonly (Buffer | string)[], maxBytes = 1_000): Promise<Line[]> {
  const stream = Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );
  return await Array.fromAsync(readLines(stream, maxBytes, NEVER));
}

test('lines come without their ends, the unfinished last one too', async () => {
  const lines = await linesOf(['one\ntwo\r\n\nth', 'ree']);
  expect(lines.map((line) => line.text)).toEqual(['one', 'two', '', 'three']);
  expect(lines.map((line) => line.bytes)).toEqual([3, 3, 0, 5]);
});

test('a stream without a byte has no line', async () => {
  expect(await linesOf([])).toEqual([]);
});

test('however a text is cut into chunks, the lines are the same', async () => {
  const unit = fc.constantFrom('a', 'é', '漢', '🙂', '\n', '\r\n', ' ');
  await fc.assert(
    fc.asyncProperty(fc.array(unit), fc.array(fc.nat(9), { minLength: 1 }), async (units, cuts) => {
      const bytes = Buffer.from(units.join(''));
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < bytes.length; i += 1) {
        const size = 1 + (cuts[i % cuts.length] ?? 0);
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const expected = units.join('').split(/\r?\n/);
      if (expected.at(-1) === '') expected.pop();
      expect((await linesOf(chunks)).map((line) => line.text)).toEqual(expected);
    }),
  );
});

test('a line of 10 MB is cut at the bound without being kept, and the next line is whole', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  function* source(): Generator<Buffer> {
    for (let i = 0; i < 160; i += 1) yield chunk;
    yield Buffer.from('\nnext\n');
  }
  const lines = await Array.fromAsync(readLines(Readable.from(source(), { objectMode: false }), 1_000, NEVER));
  expect(lines).toEqual([
    { text: 'x'.repeat(1_000), isTruncated: true, bytes: 160 * 64 * 1024 },
    { text: 'next', isTruncated: false, bytes: 4 },
  ]);
});

test('a cut leaves no half character', async () => {
  const [line] = await linesOf(['aa🙂bb\n'], 4);
  expect(line).toEqual({ text: 'aa', isTruncated: true, bytes: 8 });
});

test('a line of exactly the bound is whole, with either end', async () => {
  expect((await linesOf(['1234\n', '1234\r\n', '12345\n'], 4)).map((line) => line.isTruncated)).toEqual([
    false,
    false,
    true,
  ]);
});

test('once the writer has ended, silence ends the lines though the stream is held open', async () => {
  const held = new PassThrough();
  held.write('last words\nunfin');
  const lines = await Array.fromAsync(readLines(held, 1_000, Promise.resolve()));
  expect(lines.map((line) => line.text)).toEqual(['last words', 'unfin']);
});

test('a stream that breaks ends the lines', async () => {
  const broken = new PassThrough();
  const reading = Array.fromAsync(readLines(broken, 1_000, NEVER));
  broken.write('half');
  broken.destroy(new Error('broken'));
  expect((await reading).length).toBeLessThanOrEqual(1);
});

test('a reader who leaves early does not hold up the writer', async () => {
  const stream = new PassThrough();
  const ended = new Promise((resolve) => stream.once('end', resolve));
  stream.write('first\n');
  for await (const line of readLines(stream, 1_000, NEVER)) {
    expect(line.text).toBe('first');
    break;
  }
  stream.end(Buffer.alloc(1024 * 1024));
  await ended;
});
