/** @file The page in a real browser, on the default model. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { browserPath, launch, openPage, pictures } from './browser.ts';
import { type LabServer, openLabServer } from './lab-server.ts';
import { needs, testModel } from './models.ts';

const name = 'smollm2-135m';
const isMissing = testModel(name) === null || browserPath === undefined;
const why = `${needs(name)}${browserPath === undefined ? ' (skipped: no chromium is here)' : ''}`;
const run = (title: string, body: () => Promise<void>): void =>
  test.skipIf(isMissing)(`${title}${why}`, body, 120_000);

let server: LabServer;
let browser: Browser;
beforeAll(async () => {
  if (isMissing) return;
  [server, browser] = await Promise.all([openLabServer(), launch()]);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

const tokens = (page: Page): Promise<number> =>
  page.locator('[data-testid=reply] [data-testid=token]').count();
const points = async (page: Page): Promise<number> =>
  Number(await page.getByTestId('lines').first().getAttribute('data-points'));
const status = (page: Page): Promise<string | null> =>
  page.getByTestId('reply').last().getAttribute('data-status');

/** Sends a message; `settings` are typed into the disclosure below the composer. */
async function send(
  page: Page,
  text: string,
  settings: Record<string, string> = {},
): Promise<void> {
  if (Object.keys(settings).length > 0) {
    const disclosure = page.locator('details').filter({ hasText: 'temperature' });
    if ((await disclosure.getAttribute('open')) === null)
      await disclosure.locator('summary').click();
    for (const [label, value] of Object.entries(settings)) {
      await page.getByLabel(label).fill(value);
      await page.getByLabel(label).blur();
    }
  }
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('send').click();
}

const replied = async (page: Page): Promise<void> => {
  await expect.poll(() => status(page), { timeout: 60_000 }).toBe('whole');
};

run('a message streams: tokens and lines grow before the reply ends', async () => {
  const { page, complaints } = await openPage(browser, server.url);
  await send(page, 'Describe a walk through a forest in the rain.', { 'Most tokens': '160' });
  await expect.poll(() => tokens(page), { timeout: 30_000 }).toBeGreaterThan(2);
  const seen = { tokens: await tokens(page), points: await points(page) };
  expect(await status(page)).toBe('streaming');
  await expect.poll(() => tokens(page), { timeout: 30_000 }).toBeGreaterThan(seen.tokens);
  await expect.poll(() => points(page), { timeout: 30_000 }).toBeGreaterThan(seen.points);
  expect(await status(page)).toBe('streaming');
  await replied(page);
  expect(await points(page)).toBeGreaterThanOrEqual(await tokens(page));
  // Point at a token: its strongest emotions and what else could have stood there.
  await page.locator('[data-testid=reply] [data-testid=token]').nth(3).hover();
  await expect.poll(() => page.locator('aside').innerText()).toMatch(/%/);
  expect(complaints).toEqual([]);
  await page.screenshot({ path: join(pictures, 'chat-light.png') });
  await page.context().close();
});

run('a reply can be stopped, and the conversation goes on', async () => {
  const { page } = await openPage(browser, server.url);
  // At this heat the end of a turn is one word of fifty thousand: the reply does not end by itself.
  await send(page, 'Count to one thousand in words.', { 'Most tokens': '900', Temperature: '5' });
  await expect.poll(() => tokens(page), { timeout: 30_000 }).toBeGreaterThan(2);
  await page.getByTestId('stop').click();
  await page.getByTestId('send').waitFor();
  const stopped = await tokens(page);
  expect(stopped).toBeLessThan(900);
  await send(page, 'Thank you.', { 'Most tokens': '8' });
  await expect.poll(() => tokens(page), { timeout: 30_000 }).toBeGreaterThan(stopped);
  await replied(page);
  await page.context().close();
});

run('a slider makes the two sides differ', async () => {
  const { page, complaints } = await openPage(browser, server.url);
  await page.getByTestId('side-by-side').check();
  const slider = page.getByTestId('slider-desperate');
  await slider.focus();
  for (let k = 0; k < 8; k++) await page.keyboard.press('ArrowRight');
  expect(Number(await slider.inputValue())).toBeCloseTo(0.08, 5);
  await send(page, 'I have one hour left to finish my work. What should I do?', {
    'Most tokens': '40',
    Temperature: '0',
  });
  const textOf = (side: string): Promise<string> =>
    page.getByTestId(`column-${side}`).getByTestId('reply').last().innerText();
  await page.getByTestId('send').waitFor({ timeout: 60_000 });
  const [bare, steered] = [await textOf('unsteered'), await textOf('steered')];
  expect(bare.length).toBeGreaterThan(20);
  expect(steered.length).toBeGreaterThan(20);
  expect(steered).not.toBe(bare);
  expect(complaints).toEqual([]);
  await page.screenshot({ path: join(pictures, 'side-by-side.png') });
  await page.context().close();
});

run('what if: two emotions of the map become doses of both signs, asked side by side', async () => {
  const { page, complaints } = await openPage(browser, server.url);
  const panel = page.getByRole('region', { name: 'What if' });
  await panel.getByLabel('From', { exact: true }).selectOption('desperate');
  await panel.getByLabel('To', { exact: true }).selectOption('calm');
  await page.getByTestId('composer').fill('The lift stopped between two floors. What now?');
  await panel.getByRole('button', { name: 'Ask both ways' }).click();
  await expect
    .poll(() => page.getByTestId('column-steered').getByTestId('token').count(), {
      timeout: 30_000,
    })
    .toBeGreaterThan(3);
  expect(Number(await page.getByTestId('slider-calm').inputValue())).toBeCloseTo(0.05, 5);
  expect(Number(await page.getByTestId('slider-desperate').inputValue())).toBeCloseTo(-0.05, 5);
  await page.getByTestId('stop').click();
  expect(complaints).toEqual([]);
  await page.context().close();
});

run('a message opens as a map of layers and tokens', async () => {
  const { page, complaints } = await openPage(browser, server.url);
  await send(page, 'The bridge is closed and my brother was on it.', { 'Most tokens': '8' });
  await replied(page);
  await page.locator('.message.user').first().hover();
  await page.getByTestId('open-heatmap').first().click();
  const map = page.getByTestId('heatmap');
  await map.waitFor({ timeout: 30_000 });
  expect(await map.getAttribute('aria-label')).toMatch(/at \d+ layers and \d+ tokens\. Highest/);
  expect(complaints).toEqual([]);
  await page.screenshot({ path: join(pictures, 'heat-map.png') });
  await page.context().close();
});

const transcript = [
  { role: 'user', content: 'The build fails again, and the demo is in ten minutes.' },
  { role: 'assistant', content: 'Let me look at the log first. The test itself may be wrong.' },
  { role: 'user', content: 'Please hurry, everybody is waiting!' },
];

run('a transcript is replayed, and a broken one is refused by its line', async () => {
  const { page, complaints } = await openPage(browser, server.url);
  await page.getByTestId('tab-replay').click();
  const load = (lines: readonly unknown[]): Promise<void> =>
    page.getByTestId('replay-file').setInputFiles({
      name: 'run.jsonl',
      mimeType: 'application/jsonl',
      buffer: Buffer.from(lines.map((line) => JSON.stringify(line)).join('\n')),
    });
  await load([transcript[0], { role: 'robot', content: 'x' }]);
  await expect.poll(() => page.getByRole('alert').innerText()).toContain('line 2');
  await load(transcript);
  await expect.poll(() => page.locator('main').innerText()).toContain('everybody is waiting');
  await expect.poll(() => page.getByTestId('token').count()).toBeGreaterThan(30);
  await page.getByTestId('play').click();
  const first = await page.getByTestId('position').innerText();
  await expect.poll(() => page.getByTestId('position').innerText()).not.toBe(first);
  expect(complaints).toEqual([]);
  await page.screenshot({ path: join(pictures, 'replay.png') });
  await page.context().close();
});

run('a shared conversation opens from a file, offline', async () => {
  const { page } = await openPage(browser, server.url);
  await send(page, 'Is </script><b>this</b> safe?', { 'Most tokens': '24' });
  await replied(page);
  const written = await tokens(page);
  await page.getByTestId('share').click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByTestId('share-save').click(),
  ]);
  const file = resolve(pictures, 'shared.html');
  await download.saveAs(file);
  await page.context().close();

  const { page: offline, complaints } = await openPage(browser, pathToFileURL(file).href, {
    offline: true,
  });
  await expect.poll(() => tokens(offline)).toBe(written);
  expect(await offline.locator('main').innerText()).toContain('</script><b>this</b>');
  expect(complaints).toEqual([]);
  await offline.screenshot({ path: join(pictures, 'shared.png') });
  await offline.context().close();
});

run('axe finds no serious fault in any view, light, dark and at phone width', async () => {
  const serious = async (page: Page): Promise<string[]> => {
    await page.evaluate(axe.source);
    const found = await page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: { run(): Promise<{ violations: { impact: string; id: string }[] }> };
      };
      return (await checker.run()).violations;
    });
    return found
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id }) => id);
  };
  for (const [look, options] of Object.entries({
    light: { colorScheme: 'light' as const },
    dark: { colorScheme: 'dark' as const, reducedMotion: 'reduce' as const },
    phone: { viewport: { width: 360, height: 740 } },
  })) {
    const { page } = await openPage(browser, server.url, options);
    await send(page, 'Where does the river end?', { 'Most tokens': '24' });
    await replied(page);
    for (const view of ['chat', 'timeline', 'replay', 'atlas', 'runs']) {
      await page.getByTestId(`tab-${view}`).click();
      await page.waitForTimeout(400);
      expect(await serious(page), `${view} ${look}`).toEqual([]);
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow, `${view} ${look}`).toBe(0);
      await page.screenshot({ path: join(pictures, `${view}-${look}.png`) });
    }
    await page.context().close();
  }
});

run('the page keeps 50 frames a second while a reply streams', async () => {
  const { page } = await openPage(browser, `${server.url}/?measure`);
  await send(page, 'Tell me a long story about a lighthouse.', { 'Most tokens': '300' });
  await expect.poll(() => tokens(page), { timeout: 30_000 }).toBeGreaterThan(1);
  const look = (): Promise<{ count: number; at: number }> =>
    page.evaluate(() => ({
      count: (Reflect.get(globalThis, '__limbicFrames') as { count: number }).count,
      at: performance.now(),
    }));
  const first = await look();
  await page.waitForTimeout(1200);
  const last = await look();
  expect(await status(page)).toBe('streaming');
  const rate = ((last.count - first.count) / (last.at - first.at)) * 1000;
  writeFileSync(join(pictures, 'frames.json'), JSON.stringify({ perSecond: rate }));
  expect(rate).toBeGreaterThan(50);
  await page.context().close();
});
