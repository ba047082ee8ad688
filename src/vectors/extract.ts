/** @file Story means to emotion vectors: the emotion's mean minus the mean over emotions ("Emotion Concepts...", 2026, methods). */
import { corpusHash, type StoryMeans } from '../capture/stories.ts';
import type { ModelInfo } from '../engine/engine.ts';
import { addInto } from '../math/vector.ts';
import { type LayerScore, packVersion, type VectorPack } from './pack.ts';

/** Emotion vectors of one layer: `vectors` [emotions, width] and their `centre` [width]. */
export function emotionVectors(
  means: Float32Array,
  labels: readonly number[],
  emotions: number,
  width: number,
): { vectors: Float32Array; centre: Float32Array } {
  const vectors = new Float32Array(emotions * width);
  const counts = Array.from<number>({ length: emotions }).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  for (const [story, label] of labels.entries()) {
    const row = means.subarray(story * width, (story + 1) * width);
    addInto(vectors.subarray(label * width, (label + 1) * width), row, 1 / (counts[label] ?? 1));
  }
  const centre = new Float32Array(width);
  for (let e = 0; e < emotions; e++)
    addInto(centre, vectors.subarray(e * width, (e + 1) * width), 1 / emotions);
  for (let e = 0; e < emotions; e++)
    addInto(vectors.subarray(e * width, (e + 1) * width), centre, -1);
  return { vectors, centre };
}

/** Puts a pack together; `scores` come from validate.ts and decide the best layer. */
export function buildPack(
  info: ModelInfo,
  captured: StoryMeans,
  scores: readonly LayerScore[],
  from: number,
): VectorPack {
  const emotions = [...new Set(captured.stories.map((story) => story.emotion))].toSorted();
  const labels = captured.stories.map((story) => emotions.indexOf(story.emotion));
  const layers = captured.means.map((means) =>
    emotionVectors(means, labels, emotions.length, info.width),
  );
  const best = scores.toSorted((a, b) => b.top1 - a.top1)[0];
  return {
    version: packVersion,
    fingerprint: info.fingerprint,
    modelName: info.name,
    architecture: info.architecture,
    blocks: info.blocks,
    width: info.width,
    layers: [...captured.layers],
    emotions,
    bestLayer: best?.layer ?? captured.layers[0] ?? 0,
    scores: [...scores],
    stories: captured.stories.length,
    topics: new Set(captured.stories.map((story) => story.topic)).size,
    corpusHash: corpusHash(captured.stories),
    recipe: { from, centring: 'grand-mean' },
    vectors: layers.map((layer) => layer.vectors),
    centres: layers.map((layer) => layer.centre),
    norms: captured.norms,
  };
}
