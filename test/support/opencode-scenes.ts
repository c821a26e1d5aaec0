import { readFileSync } from 'node:fs';
import type { NativeEvent } from '../../src/backends/opencode/dialect.ts';
import { decodeFrame } from '../../src/backends/opencode/v1/decode.ts';

/** The events of one recorded scene (OpenCode 1.18.33). */
export function recordedScene(name: string): NativeEvent[] {
  const file = new URL('../fixtures/opencode-1.18.33/event-scenes.jsonl', import.meta.url);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const values = lines.map((line) => JSON.parse(line));
  const start = values.findIndex((value) => value.scene === name);
  const end = values.findIndex((value, index) => index > start && value.scene !== undefined);
  const payloads = values.slice(start, end === -1 ? undefined : end).filter((value) => value.type);
  return payloads.flatMap((payload) => decodeFrame(JSON.stringify({ payload })) ?? []);
}
