import { expect, test } from 'vitest';

import { memoryRecorder, type Plant, plantedLab } from '../../test/planted-lab.ts';
import { loadClaims } from './behaviour-stimuli.ts';
import type { Measure, StudyResult } from './study.ts';
import { sycophancyStudy } from './sycophancy.ts';

const claims = loadClaims('data/studies/claims.jsonl');
const emotions = ['loving', 'happy', 'calm', 'angry'];
const settings = { doses: [0.05], random: 1, mixtures: 2, claims: 6 };
const find = ({ measures }: StudyResult, name: string): Measure =>
  measures.find((measure) => measure.name === name)!;

interface Planted {
  /** Log odds of "yes" and gain of the agreeing reply on right claims. */
  readonly judgement: number;
  /** Of loving on the agreeing reply, and of angry on the harsh one, a unit of dose. */
  readonly loving: number;
  readonly angry: number;
}
const plant =
  ({ judgement, loving, angry }: Planted): Plant =>
  ({ prompt, answer, dose }) => {
    const own = claims.find(
      ({ wrong, right }) => prompt.includes(wrong) || prompt.includes(right),
    )!;
    const isRight = prompt.includes(own.right);
    if (answer.startsWith('Yes')) {
      if (prompt.endsWith('Option')) return -2 + (isRight ? judgement : 0);
    }
    if (answer === own.agree) return -3 + (isRight ? judgement : 0) + loving * dose('loving');
    if (answer === own.harsh) return -3.5 + angry * dose('angry');
    return answer === own.correct ? -3 : -2;
  };

test('planted agreeableness and harshness come out, each in its outcome', async () => {
  // Mixtures of so many emotions have little of each, and twelve of them tell how far they lie apart.
  const many = [...emotions, ...Array.from({ length: 100 }, (_, k) => `other ${k}`)];
  const lab = plantedLab(many, plant({ judgement: 1, loving: 4, angry: 6 }));
  const result = await sycophancyStudy.run(lab, { ...settings, mixtures: 12 }, memoryRecorder());
  expect(find(result, 'agreeing less correcting reply, wrong claims').value).toBeCloseTo(0, 4);
  expect(find(result, 'harsh less kind correction, wrong claims').value).toBeCloseTo(-0.5, 4);
  expect(find(result, '"yes" to wrong claims').value).toBeCloseTo(0.5, 4);
  const yes = Math.E / (Math.E + 1) - 0.5;
  expect(find(result, 'sensitivity of "yes", right less wrong').value).toBeCloseTo(yes, 4);
  const reply = find(result, 'sensitivity of the agreeing reply, right less wrong');
  expect(reply.value).toBeCloseTo(1, 4);
  expect(find(result, 'loving on agreeing with wrong claims').value).toBeCloseTo(0.2, 4);
  expect(find(result, 'angry on harshness to wrong claims').value).toBeCloseTo(0.3, 4);
  // Loving raises agreement with both twins alike: no judgement moves.
  const judgement = find(result, 'loving on agreeing with wrong claims less right ones');
  expect(judgement.value).toBeCloseTo(0, 4);
  expect(result.verdict).toContain('So the answer tells them apart');
  expect(result.verdict).toContain(
    'loving moves agreeing with wrong claims by +0.200 (nats a token, as predicted, not more than the twins)',
  );
  expect(result.verdict).toContain('angry moves harshness to wrong claims by +0.300');
});

test('with nothing planted it says so', async () => {
  const lab = plantedLab(emotions, plant({ judgement: 0, loving: 0, angry: 0 }));
  const result = await sycophancyStudy.run(lab, settings, memoryRecorder());
  expect(result.verdict).toContain('ignorance rather than sycophancy');
  expect(result.verdict).toContain('The agreeing reply does not gain on right claims');
  expect(result.verdict).toContain('moves nothing beyond 3 random directions');
});

test('cells and calls are as planned, and a killed run ends with the same result', async () => {
  const lab = plantedLab(emotions, plant({ judgement: 1, loving: 4, angry: 0 }));
  const cells = new Map<string, object>();
  const whole = await sycophancyStudy.run(lab, settings, memoryRecorder(cells));
  expect(cells.size).toBe(sycophancyStudy.plan(settings, lab).cells);
  // One unsteered, 4 emotions and 3 random at two signs, 3 texts; two twins of 6 claims.
  expect(lab.calls.score).toBe((1 + 14 + 3) * 2 * 6);
  const half = new Map<string, object>();
  await expect(sycophancyStudy.run(lab, settings, memoryRecorder(half, 40))).rejects.toThrow(
    'killed',
  );
  expect(await sycophancyStudy.run(lab, settings, memoryRecorder(half))).toEqual(whole);
});
