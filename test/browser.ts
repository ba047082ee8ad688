import { existsSync, mkdirSync } from 'node:fs';

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's browser; the tests of the page are skipped without one. */
export const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);

/** Where the tests leave pictures of the page to look at. */
export const pictures = 'dist/pictures';

/** Says what a page does that it should not: errors, and requests to any other address than its own. */
interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

export async function launch(): Promise<Browser> {
  mkdirSync(pictures, { recursive: true });
  return chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const own = new URL(url).origin;
  page.on('request', (request) => {
    const address = new URL(request.url());
    if (address.origin !== own && !['data:', 'blob:'].includes(address.protocol))
      complaints.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}
