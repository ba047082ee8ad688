/** A lab whose model scores as a test says: planted effects and planted nulls for the studies of behaviour. */
import { z } from 'zod';

import type { Model, Steering } from '../src/engine/engine.ts';
import { openToyModel } from '../src/engine/toy/model.ts';
import { createRecorder } from '../src/studies/recorder.ts';
import type { Recorder, StudyLab } from '../src/studies/study.ts';
import { packVersion, type VectorPack } from '../src/vectors/pack.ts';

const width = 32;
const layers = [1, 2, 3, 4];

/** A pack whose emotion vectors are axes: emotion k is axis k at every layer. */
export function axisPack(emotions: readonly string[]): VectorPack {
  const axes = new Float32Array(emotions.length * width);
  for (const k of emotions.keys()) axes[k * width + k] = 1;
  return {
    version: packVersion,
    fingerprint: 'planted',
    modelName: 'planted',
    quantisation: 'F32',
    architecture: 'toy',
    blocks: 6,
    width,
    layers,
    emotions: [...emotions],
    bestLayer: 3,
    scores: [],
    stories: 0,
    topics: 0,
    corpusHash: 'planted',
    recipe: { from: 0, centring: 'grand-mean', readout: { kind: 'raw' }, weights: 'file' },
    vectors: layers.map(() => axes),
    centres: layers.map(() => new Float32Array(width)),
    replyCentres: layers.map(() => new Float32Array(width)),
    replySpreads: layers.map(() => new Float32Array(emotions.length).fill(1)),
    filters: layers.map(() => ({ axes: [], shrink: [] })),
    // Another norm at each layer, so that a dose must be read as a share of it.
    norms: Float32Array.from(layers, (layer) => 10 * layer),
    stability: new Float32Array(emotions.length).fill(1),
    quantiles: new Float32Array(0),
  };
}

export interface Asked {
  readonly prompt: string;
  /** A prepared reply, or the option under the letter that is asked for. */
  readonly answer: string;
  /** Dose of an emotion in the steering of the call. */
  readonly dose: (emotion: string) => number;
}

/** Mean log-probability a token of a reply, or log weight of an option, as the test wants it. */
export type Plant = (asked: Asked) => number;

export function plantedLab(
  emotions: readonly string[],
  plant: Plant,
  write: (prompt: string) => string = () => '',
): StudyLab & { readonly calls: { score: number } } {
  const pack = axisPack(emotions);
  const toy = openToyModel();
  const calls = { score: 0 };
  const textOf = async (tokens: Int32Array): Promise<string> => (await toy.pieces(tokens)).join('');
  const doseIn = (steering: Steering | null | undefined) => (emotion: string) => {
    const [layer, vector] = [...(steering?.vectors ?? [])][0] ?? [1, new Float32Array(width)];
    return (vector[pack.emotions.indexOf(emotion)] ?? 0) / (10 * layer);
  };
  const model: Model = {
    ...toy,
    score: async (requests, options) => {
      calls.score++;
      const dose = doseIn(options?.steering);
      return Promise.all(
        requests.map(async ({ prompt, continuation }) => {
          const [asked, text] = [await textOf(prompt), await textOf(continuation)];
          const isLetter = asked.endsWith('Option');
          const option = new RegExp(`^${text.trim()}: (.*)$`, 'm').exec(asked)?.[1];
          const value = plant({ prompt: asked, answer: isLetter ? (option ?? '') : text, dose });
          return new Float32Array(continuation.length).fill(
            isLetter ? value / continuation.length : value,
          );
        }),
      );
    },
    generate: async (requests) =>
      Promise.all(
        requests.map(async ({ prompt }) => ({
          text: write(await textOf(prompt)),
          tokens: [],
          stopReason: 'end' as const,
          promptReadings: new Float32Array(0),
          reused: 0,
          takenBack: 0,
        })),
      ),
  };
  return {
    model,
    pack,
    calls,
    data: (name) => `data/${name}`,
    open: async () => openToyModel(),
    signal: new AbortController().signal,
  };
}

const cellSchema = z.object({ key: z.string(), data: z.looseObject({}) });

/** A recorder in memory; with `breaksAt` it throws before it holds more cells than that. */
export function memoryRecorder(
  cells: Map<string, object> = new Map(),
  breaksAt = Infinity,
): Recorder {
  const append = (record: object): void => {
    if (cells.size >= breaksAt) throw new Error('killed');
    const { key, data } = cellSchema.parse(record);
    cells.set(key, data);
  };
  return createRecorder({ append }, new Map(cells));
}
