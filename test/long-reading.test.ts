/** @file A text much longer than the context: read in windows, in memory that does not grow with it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';

const outDir = 'dist/test-reading';
const folder = mkdtempSync(join(tmpdir(), 'limbic-long-'));
/** LIMBIC_SCALE=100000 reads the whole; a part of it tells the same in seconds. */
const long = Math.max(20_000, Number(process.env['LIMBIC_SCALE'] ?? 0));

beforeAll(async () => {
  const target = { ssr: 'test/toy-reading.ts', outDir };
  await build({ configFile: false, logLevel: 'silent', build: target });
});
afterAll(() => {
  rmSync(outDir, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

interface Report {
  readonly windows: object;
  readonly tokens: { position: number; text: string; readouts: Record<string, number> }[];
}

/** Megabytes that a process of its own holds at most, after collections, and its peak, while it reads so many tokens. */
async function memoryOf(tokens: number): Promise<{ held: number; peak: number }> {
  const args = ['--expose-gc', join(outDir, 'toy-reading.js'), folder, String(tokens)];
  const { stdout } = await promisify(execFile)('node', args);
  const { held, peak } = JSON.parse(stdout) as { held: number; peak: number };
  console.log(
    `${tokens} tokens: ${(held / 1e6).toFixed(1)} MB held, ${(peak / 1e6).toFixed(0)} MB at the peak`,
  );
  return { held: held / 1e6, peak: peak / 1e6 };
}

test(`${long} tokens take as much memory as ${long / 10}, and every one is in the output`, async () => {
  const short = await memoryOf(long / 10);
  const whole = await memoryOf(long);
  // The values of all emotions would be 12 MB more, for 100,000 tokens 62 MB; 13 bytes a token are kept, and the text.
  // What the engine of JavaScript itself keeps differs by a megabyte or two from run to run.
  expect(whole.held - short.held).toBeLessThan(long * 40e-6 + 4);
  // What was thrown away and not yet collected comes on top.
  expect(whole.peak - short.peak).toBeLessThan(40);
  const report = JSON.parse(readFileSync(join(folder, `${long}.json`), 'utf8')) as Report;
  // 64 positions with the begin-of-sequence token; half of them and that token add nothing.
  expect(report.windows).toEqual({ size: 64, stride: 31, count: Math.ceil((long - 64) / 31) + 1 });
  expect(report.tokens).toHaveLength(long);
  expect(report.tokens.every(({ position }, i) => position === i)).toBe(true);
  const shown = report.tokens.slice(1).map(({ text }) => text);
  expect(shown.join('')).toMatch(/^(The kettle sang and nobody was in the hall\. )+/);
  const html = readFileSync(join(folder, `${long}.html`), 'utf8');
  expect(html).toContain(`windows of 64 tokens, each 31 after the one before`);
  expect(html.match(/<span class="t"/g)).toHaveLength(long);
  expect(html).toContain(`position ${long - 1}"`);
  expect(statSync(join(folder, `${long}.html`)).size).toBeLessThan(long * 130);
}, 600_000);
