import { expect, test } from 'vitest';

import { openToyLab } from '../../test/toy-server.ts';
import { chatTokens } from '../engine/chat-template.ts';
import { calibrate, centreAndSpread, percentileAt } from './calibration.ts';
import { calibrationLevels, makeProbe } from './pack.ts';

const texts = [
  {
    kind: 'passage' as const,
    subject: '',
    text: 'A long enough text about nothing in particular.',
  },
  {
    kind: 'dialogue' as const,
    subject: '',
    messages: [
      { role: 'user' as const, content: 'Where is the library?' },
      { role: 'assistant' as const, content: 'Behind the town hall, on the left.' },
    ],
  },
];

test('the quantiles are those of the readings behind the first ten positions', async () => {
  const { model, pack } = await openToyLab();
  const calibrated = await calibrate(model, pack, texts);
  const emotion = pack.emotions[1]!;
  const probes = [makeProbe(pack, [emotion], pack.bestLayer)];
  const sequences = [
    await model.tokenize(texts[0]!.text!),
    await chatTokens(model, texts[1]!.messages!),
  ];
  const values = (await model.project(sequences, { probes }))
    .flatMap((readings) => [...readings.subarray(10)])
    .toSorted((a, b) => a - b);
  expect(calibrated.calibration).toEqual({ texts: 2, tokens: values.length });
  // With an odd count the median is a value itself.
  const at = (share: number): number => {
    const position = share * (values.length - 1);
    const [low, high] = [values[Math.floor(position)]!, values[Math.ceil(position)]!];
    return low + (high - low) * (position - Math.floor(position));
  };
  for (const level of calibrationLevels)
    expect(percentileAt(calibrated, emotion, level)).toBeCloseTo(at(level), 5);
  const between = (at(0.9) + at(0.95)) / 2;
  expect(percentileAt(calibrated, emotion, 0.925)).toBeCloseTo(between, 5);
  expect(centreAndSpread(calibrated, emotion).median).toBeCloseTo(at(0.5), 5);
});

test('the spread of normal readings is their standard deviation', async () => {
  const { pack } = await openToyLab();
  // Quantiles of the normal distribution with mean 2 and deviation 3, from tables.
  const z = [
    -2.5758, -2.3263, -1.6449, -1.2816, -0.6745, 0, 0.6745, 1.2816, 1.6449, 2.3263, 2.5758,
  ];
  const quantiles = Float32Array.from(pack.emotions.flatMap(() => z.map((value) => 2 + 3 * value)));
  const { median, spread } = centreAndSpread({ ...pack, quantiles }, pack.emotions[0]!);
  expect(median).toBeCloseTo(2, 5);
  expect(spread).toBeCloseTo(3, 3);
});

test('a percentile needs a calibrated pack, a known emotion and a stored share', async () => {
  const { pack } = await openToyLab();
  const bare = { ...pack, quantiles: new Float32Array(0) };
  expect(() => percentileAt(bare, pack.emotions[0]!, 0.95)).toThrow('expected a calibrated pack');
  expect(() => percentileAt(pack, 'nobody', 0.95)).toThrow('nothing is called "nobody"');
  expect(() => percentileAt(pack, pack.emotions[0]!, 0.9999)).toThrow('expected one from 0.5');
});
