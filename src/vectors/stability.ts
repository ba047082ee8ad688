/**
 * @file How far each emotion's direction depends on the topics that happened to be written about: the
 * cosine between the vector and those of bootstrap draws of the topics.
 */
import { randomFrom } from '../math/random.ts';
import { mean } from '../math/stats.ts';
import { addInto, cosine } from '../math/vector.ts';
import { centreByTopic, type Design, rowOf } from './held-out.ts';

/** Draws; the mean cosine settles to about 0.01. */
const draws = 60;

/** Mean cosine of each emotion's vector with itself under draws of the topics, [emotions], from -1 to 1. */
export function directionStability(means: Float32Array, design: Design): Float32Array {
  const { width, emotions, topics, labels, topicOf } = design;
  const centred = centreByTopic(means, design);
  const random = randomFrom(13);
  const whole = vectorsOf(topics.map(() => 1));
  const sums = emotions.map((): number[] => []);
  for (let draw = 0; draw < draws; draw++) {
    const weights = topics.map(() => 0);
    for (let i = 0; i < topics.length; i++) {
      const topic = Math.floor(random() * topics.length);
      weights[topic] = (weights[topic] ?? 0) + 1;
    }
    const drawn = vectorsOf(weights);
    for (const [e] of emotions.entries())
      sums[e]?.push(cosine(rowOf(drawn, e, width), rowOf(whole, e, width)));
  }
  return Float32Array.from(sums, (values) => mean(values));

  function vectorsOf(weights: readonly number[]): Float32Array {
    const vectors = new Float32Array(emotions.length * width);
    for (const [story, label] of labels.entries()) {
      const weight = weights[topicOf[story] ?? 0] ?? 0;
      if (weight > 0) addInto(rowOf(vectors, label, width), rowOf(centred, story, width), weight);
    }
    return vectors;
  }
}
