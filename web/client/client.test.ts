import { afterEach, expect, test, vi } from 'vitest';

import { createClient } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

/** A server that takes one token. */
function serve(token: string, onRequest: () => void = () => undefined): void {
  vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
    await Promise.resolve();
    onRequest();
    const isRight = headers['authorization'] === `Bearer ${token}`;
    return new Response(JSON.stringify({ runs: [] }), { status: isRight ? 200 : 401 });
  });
}

test('a request that was refused asks for the token, and again while it is wrong', async () => {
  serve('right');
  const answers = ['wrong', 'right'];
  let token: string | null = null;
  const askToken = async (): Promise<string | null> => (token = answers.shift() ?? null);
  const client = createClient({ token: () => token, askToken });
  expect(await client.runs()).toEqual([]);
  expect(answers).toEqual([]);
});

test('a request that was under way while the token was given is sent again without a question', async () => {
  let token: string | null = 'old';
  serve('new', () => (token = 'new'));
  const askToken = vi.fn<() => Promise<string | null>>().mockResolvedValue(null);
  const client = createClient({ token: () => token, askToken });
  expect(await client.runs()).toEqual([]);
  expect(askToken).not.toHaveBeenCalled();
});
