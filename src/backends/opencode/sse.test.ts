import { expect, test } from 'vitest';
import { FrameTooLarge, SseFrames } from './sse.ts';

const bytes = Buffer.from(
  ': a comment\n\ndata: {"a":"ä漢🙂"}\n\ndata:one\r\ndata: two\r\n\r\nevent: x\nid: 1\n\ndata: last\n\n',
);
const frames = ['{"a":"ä漢🙂"}', 'one\ntwo', 'last'];

test('frames are the same however the stream is cut', () => {
  for (let size = 1; size <= bytes.length; size += 1) {
    const parser = new SseFrames(1_000);
    const found: string[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...parser.take(bytes.subarray(at, at + size)));
    expect(found).toEqual(frames);
  }
});

test('a frame over the bound is not held', () => {
  const parser = new SseFrames(100);
  expect([...parser.take(Buffer.from(`data: ${'x'.repeat(80)}\n\ndata: ${'x'.repeat(80)}\n\n`))]).toHaveLength(2);
  expect(() => [
    ...parser.take(Buffer.from(`data: ${'x'.repeat(60)}`)),
    ...parser.take(Buffer.from('x'.repeat(60))),
  ]).toThrow(FrameTooLarge);
});
