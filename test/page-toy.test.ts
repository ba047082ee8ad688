/** @file The page in a real browser where things go wrong or slowly, on the toy engine. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { renderPage } from '../src/charts/page.ts';
import type { GenerateOptions, Model } from '../src/engine/engine.ts';
import { EngineError } from '../src/errors.ts';
import { createApp } from '../src/server/app.ts';
import type { ServerDeps } from '../src/server/lab.ts';
import { type ListeningServer, startServer } from '../src/server/listen.ts';
import { createRun } from '../src/store/runs.ts';
import { browserPath, launch, openPage } from './browser.ts';
import { openToyLab, plainDeps } from './toy-server.ts';

const isMissing = browserPath === undefined;
const why = isMissing ? ' (skipped: no chromium is here)' : '';
const folder = mkdtempSync(join(tmpdir(), 'limbic-page-'));
const lab = await openToyLab();
const servers: ListeningServer[] = [];
let browser: Browser;
beforeAll(async () => {
  if (!isMissing) browser = await launch();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  for (const server of servers) await server.close({ graceMs: 0 });
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  readonly url: string;
  readonly page: Page;
  readonly complaints: string[];
}

async function open(deps: Partial<ServerDeps> = {}, hash = ''): Promise<Opened> {
  const parts = { ...plainDeps(lab), webFolder: 'dist/web', runs: { folder }, ...deps };
  const server = await startServer(createApp(parts), { host: '127.0.0.1', port: 0 });
  servers.push(server);
  return { url: server.url, ...(await openPage(browser, `${server.url}/${hash}`)) };
}
/** The machine may be busy. */
const soon = <T>(read: () => T): ReturnType<typeof expect.poll<T>> =>
  expect.poll(read, { timeout: 20_000 });
function run(title: string, body: () => Promise<void>): void {
  test.skipIf(isMissing)(`${title}${why}`, body, 120_000);
}

/** The toy, where replies of one kind write two tokens and then wait until they are given up. */
function hanging(
  hangs: (options: GenerateOptions) => boolean,
  others: Model['generate'] = (...call) => lab.model.generate(...call),
): { model: Model; givenUp: () => number } {
  let givenUp = 0;
  const generate: Model['generate'] = async (requests, options = {}) => {
    if (!hangs(options)) return others(requests, options);
    await lab.model.generate(
      requests.map((request) => ({ ...request, maxTokens: 2 })),
      options,
    );
    return new Promise((_, reject) => {
      const stop = (): void => {
        givenUp++;
        reject(new DOMException('stopped', 'AbortError'));
      };
      if (options.signal?.aborted === true) stop();
      options.signal?.addEventListener('abort', stop);
    });
  };
  return { model: { ...lab.model, generate }, givenUp: () => givenUp };
}
const isSteered = ({ steering }: GenerateOptions): boolean => steering != null;

async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('send').click();
}
async function saySideBySide(page: Page): Promise<void> {
  await page.getByTestId('side-by-side').check();
  await page.getByTestId('slider-desperate').press('ArrowRight');
  await say(page, 'Hello');
}
function statusOf(page: Page, side: 'steered' | 'unsteered'): Promise<string | null> {
  return page.getByTestId(`column-${side}`).getByTestId('reply').getAttribute('data-status');
}
function transcript(name: string, ...texts: string[]): Parameters<Page['setInputFiles']>[1] {
  const lines = texts.map((content) => JSON.stringify({ role: 'user', content }));
  return { name, mimeType: 'application/jsonl', buffer: Buffer.from(lines.join('\n')) };
}
/** Marks the first token, so that it is seen when all are drawn anew. */
async function redrawn(page: Page, change: () => Promise<unknown>): Promise<void> {
  const marked = page.locator('[data-testid=token][data-old]');
  await page
    .getByTestId('token')
    .first()
    .evaluate((token) => token.setAttribute('data-old', ''));
  expect(await marked.count()).toBe(1);
  await change();
  await soon(() => marked.count()).toBe(0);
}

run('a side that failed is asked for again, and the other is given up first', async () => {
  const dying = (): never => {
    throw new EngineError('engine: gone');
  };
  const { model, givenUp } = hanging(isSteered, dying);
  const { page } = await open({ model });
  await saySideBySide(page);
  await soon(() => statusOf(page, 'unsteered')).toBe('failed');
  await soon(() => statusOf(page, 'steered')).toBe('streaming');
  await page.getByTestId('column-unsteered').getByRole('button', { name: 'Try again' }).click();
  await soon(givenUp).toBe(1);
  await soon(() => statusOf(page, 'steered')).toBe('streaming');
  await page.getByTestId('stop').click();
  await soon(givenUp).toBe(2);
  await page.context().close();
});

run('a reply is announced when both sides have ended', async () => {
  const { model } = hanging((options) => !isSteered(options));
  const { page } = await open({ model });
  const announced = (): Promise<string> => page.locator('p[aria-live=polite]').innerText();
  await saySideBySide(page);
  await soon(() => statusOf(page, 'steered')).toBe('whole');
  await soon(() => statusOf(page, 'unsteered')).toBe('streaming');
  expect(await announced()).toBe('');
  await page.getByTestId('stop').click();
  await soon(announced).toBe('Reply complete.');
  await page.context().close();
});

run('an emotion that is added while a reply is written is read when it has ended', async () => {
  const { model } = hanging(() => true);
  const { page } = await open({ model });
  await say(page, 'Hello');
  await soon(() => page.locator('.message.assistant .token').count()).toBe(2);
  const field = page.getByLabel('Add an emotion to the lines');
  await field.focus();
  const option = page.locator('.legend-row').getByRole('option', { name: 'sad', exact: true });
  // A press that is no click, as the one that begins to scroll the list by touch, picks nothing.
  await option.click({ button: 'right' });
  const value = page.locator('.legend output[data-emotion=sad]');
  expect(await value.count()).toBe(0);
  await field.fill('sad');
  await option.click();
  expect(await value.innerText()).toBe('–');
  await page.getByTestId('stop').click();
  await soon(() => value.innerText()).toMatch(/\d/);
  await page.context().close();
});

run(
  'a replay keeps what was played when one more emotion is read, and says when it is not',
  async () => {
    const { page, complaints } = await open({}, '#/replay');
    await page.getByTestId('replay-file').setInputFiles(transcript('a.jsonl', 'Hello there'));
    const past = (): Promise<number> => page.locator('.token.past').count();
    await soon(past).toBeGreaterThan(5);
    const all = await page.getByTestId('token').count();
    await soon(past).toBe(all);
    await redrawn(page, () => page.locator('#colour').selectOption('sad'));
    expect(await past()).toBe(all);
    expect(complaints).toEqual([]);
    await page.route('**/api/read', (route) => route.abort());
    await page.locator('#colour').selectOption('excited');
    await soon(() => page.getByRole('alert').innerText()).toContain('can’t be reached');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await past()).toBe(all);
    await page.context().close();
  },
);

run('of two transcripts with one name the one that was opened last is shown', async () => {
  const { page } = await open({}, '#/replay');
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(
    '**/api/read',
    async (route) => {
      await released;
      await route.continue();
    },
    { times: 1 },
  );
  await page.getByTestId('replay-file').setInputFiles(transcript('a.jsonl', 'The first'));
  await page.getByText('Reading …').waitFor();
  await page.getByTestId('replay-file').setInputFiles(transcript('a.jsonl', 'The second'));
  const text = (): Promise<string> => page.locator('.replay-box').innerText();
  await soon(text).toContain('The second');
  await Promise.all([page.waitForResponse('**/api/read'), Promise.resolve(release())]);
  await page.waitForTimeout(200);
  expect(await text()).toContain('The second');
  await page.context().close();
});

const about = { kind: 'serve', model: 'toy', fingerprint: 'x', packHash: null };

run(
  'a report opens as its own page, and is saved where a link cannot carry the token',
  async () => {
    const runs = { folder: mkdtempSync(join(folder, 'reports-')) };
    const made = createRun(
      { ...about, title: 'A', limbicVersion: '0.0.0', parameters: {} },
      runs.folder,
    );
    made.writeReport(renderPage({ title: 'Seen', subtitle: '', sections: [], footer: '' }));
    made.finish('done', {});
    const { page, complaints } = await open({ runs }, '#/runs');
    const [tab] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: 'Open the report' }).click(),
    ]);
    await tab.waitForLoadState();
    expect(await tab.locator('h1').innerText()).toBe('Seen');
    // The report's own style, which the policy of the page would not let in.
    const width = "getComputedStyle(document.querySelector('main')).maxWidth";
    expect(await tab.evaluate(width)).toBe('880px');
    expect(complaints).toEqual([]);
    await page.context().close();

    const locked = await open({ runs, token: 'secret' }, `#/runs/${made.id}`);
    await locked.page.getByTestId('token-field').fill('secret');
    await locked.page.getByRole('button', { name: 'Continue' }).click();
    const save = locked.page.getByRole('button', { name: 'Save the report' });
    const [download] = await Promise.all([locked.page.waitForEvent('download'), save.click()]);
    expect(download.suggestedFilename()).toBe(`${made.id}.html`);
    expect(readFileSync(await download.path(), 'utf8')).toContain('<h1>Seen</h1>');
    await locked.page.route('**/report', (route) => route.abort());
    await save.click();
    await expect
      .poll(() => locked.page.getByRole('alert').innerText())
      .toContain('can’t be reached');
    await locked.page.context().close();
  },
);

run('another conversation of a run leaves nothing of the one before', async () => {
  const runs = { folder: mkdtempSync(join(folder, 'two-')) };
  using made = createRun(
    { ...about, title: 'Two', limbicVersion: '0.0.0', parameters: {} },
    runs.folder,
  );
  for (const [conversation, text] of [
    ['one', 'Apple'],
    ['two', 'Berry'],
  ] as const) {
    const tokens = [{ text, readouts: { happy: 0.1, calm: 0.2 } }];
    made.append({ type: 'turn', conversation, role: 'user', content: text, tokens });
  }
  const { page } = await open({ runs }, `#/runs/${made.id}`);
  const readout = page.getByTestId('strip-readout');
  await page.getByTestId('token').hover();
  // Whatever points at a token, the strip tells of it.
  await soon(() => readout.innerText()).toContain('[Apple]');
  const inspector = page.getByRole('region', { name: 'Token' });
  expect(await inspector.innerText()).toContain('Apple');
  await page.mouse.move(2, 2);
  await page.locator('label', { hasText: 'Conversation' }).locator('select').selectOption('1');
  await soon(() => page.getByTestId('token').innerText()).toBe('Berry');
  expect(await readout.innerText()).toContain('Point at the strip');
  expect(await inspector.innerText()).toContain('Point at a token');
  await page.context().close();
});

run('a dialog stays when a press that began in a field ends beside it', async () => {
  const { page } = await open();
  await say(page, 'Hello');
  await soon(() => page.getByTestId('reply').getAttribute('data-status')).toBe('whole');
  await page.getByTestId('share').click();
  const title = page.getByLabel('Title');
  const box = (await title.boundingBox())!;
  await page.mouse.move(box.x + 20, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(4, box.y);
  await page.mouse.up();
  expect(await title.isVisible()).toBe(true);
  await page.mouse.click(4, box.y);
  await soon(() => page.locator('dialog').count()).toBe(0);
  await page.context().close();
});

run('a browser that keeps nothing shows the page all the same', async () => {
  const { url, page } = await open();
  await page.addInitScript(() => {
    const forbidden = {
      get: (): never => {
        throw new DOMException('no', 'SecurityError');
      },
    };
    Object.defineProperty(globalThis, 'sessionStorage', forbidden);
    Object.defineProperty(globalThis, 'localStorage', forbidden);
  });
  await page.goto(`${url}/?again`);
  await page.getByTestId('composer').waitFor({ timeout: 10_000 });
  await page.context().close();
});
