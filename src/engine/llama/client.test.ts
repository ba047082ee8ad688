import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs, testModel } from '../../../test/models.ts';
import { splitGguf } from '../../../test/split-gguf.ts';
import { openLlamaModel } from './model.ts';

const path = testModel('smollm2-135m');

test.skipIf(path === null)(
  `a killed engine is reported and the next call works${needs('smollm2-135m')}`,
  async () => {
    await using model = await openLlamaModel(path!, { contextLength: 1024 });
    const prompt = await model.tokenize('Tell me a long story about');
    const first = model.pid;
    const generation = model.generate([{ prompt, maxTokens: 500, temperature: 1 }], {
      onToken: ({ index }) => {
        if (index === 3 && model.pid !== undefined) process.kill(model.pid, 'SIGKILL');
      },
    });
    await expect(generation).rejects.toThrow(/the process that runs the model ended \(SIGKILL\)/);
    const [reply] = await model.generate([{ prompt, maxTokens: 4 }]);
    expect(reply!.tokens).toHaveLength(4);
    expect(model.pid).not.toBe(first);
  },
);

test('opening a file that is no model says so', async () => {
  await expect(openLlamaModel('package.json')).rejects.toThrow(
    /package.json: expected a GGUF model file/,
  );
});

test.skipIf(path === null)(
  `a model in two files is the model, and a missing part is named${needs('smollm2-135m')}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'limbic-split-'));
    const first = splitGguf(path!, join(folder, 'smol'));
    await using whole = await openLlamaModel(path!, { contextLength: 512 });
    await using split = await openLlamaModel(first, { contextLength: 512 });
    expect(split.info.fingerprint).toBe(whole.info.fingerprint);
    const tokens = await whole.tokenize('Rain on the roof.');
    const options = { layers: [3, 28], pooling: 'last' } as const;
    const [a] = await whole.capture([tokens], options);
    const [b] = await split.capture([tokens], options);
    expect(b!.rows).toEqual(a!.rows);
    const second = join(folder, 'smol-00002-of-00002.gguf');
    renameSync(second, `${second}.away`);
    await expect(openLlamaModel(first)).rejects.toThrow(/smol-00002-of-00002.gguf/);
    rmSync(folder, { recursive: true });
  },
);
