import { expect, test } from 'vitest';

import { needs, testModel } from '../../../test/models.ts';
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
  await expect(openLlamaModel('package.json')).rejects.toThrow(/could not load package.json/);
});
