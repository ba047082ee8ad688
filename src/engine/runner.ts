/**
 * @file Capture and projection over any backend. Runs in the process that owns the backend,
 * so that only pooled or projected values leave it. Generation is in scheduler.ts,
 * scoring in scoring.ts.
 */
import { InvalidInputError, ShapeError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { CallOptions, Captured, CaptureOptions, Probe, ProjectOptions } from './engine.ts';
import { createPool, type Span } from './pooling.ts';

/** Lets waiting messages (an abort) be handled; throws the platform's AbortError when asked to. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  signal?.throwIfAborted();
}

function assertLayers(backend: Backend, layers: readonly number[]): void {
  const last = backend.info.blocks - 2;
  for (const layer of layers) {
    if (!Number.isInteger(layer) || layer < 0 || layer > last) {
      throw new InvalidInputError(`layer: expected a whole number from 0 to ${last}, got ${layer}`);
    }
  }
}

/** Throws InvalidInputError for a sequence that is empty or longer than the context. */
export function assertFits({ info: { contextLength } }: Backend, sequence: Int32Array): void {
  if (sequence.length === 0)
    throw new InvalidInputError('text: expected at least one token, got none');
  if (sequence.length > contextLength) {
    throw new InvalidInputError(
      `text: expected at most ${contextLength} tokens, got ${sequence.length}`,
      { hint: 'raise --context or shorten the text' },
    );
  }
}

type Visit = (span: Span) => void;

/** Feeds whole sequences, several at once, and calls `visit` for each stretch after its decode. */
async function feed(
  backend: Backend,
  sequences: readonly Int32Array[],
  options: {
    layers: readonly number[];
    earlyExit: boolean;
    wants: (index: number, position: number) => boolean;
    visit: Visit;
    call: CallOptions;
  },
): Promise<void> {
  const { batchSize, maxSequences } = backend.info;
  for (const sequence of sequences) assertFits(backend, sequence);
  let next = 0;
  while (next < sequences.length) {
    backend.begin({ layers: options.layers, earlyExit: options.earlyExit });
    const group: number[] = [];
    let size = 0;
    while (next < sequences.length && group.length < maxSequences) {
      const length = sequences[next]?.length ?? 0;
      if (group.length > 0 && size + length > batchSize) break;
      group.push(next++);
      size += length;
    }
    await feedGroup(backend, sequences, group, options);
    options.call.onProgress?.(next);
  }
}

async function feedGroup(
  backend: Backend,
  sequences: readonly Int32Array[],
  group: readonly number[],
  options: { wants: (index: number, position: number) => boolean; visit: Visit; call: CallOptions },
): Promise<void> {
  const pieces = group.flatMap((index, sequence) => {
    const tokens = sequences[index] ?? new Int32Array(0);
    return Array.from(tokens, (token, position) => ({ index, sequence, token, position }));
  });
  for (let start = 0; start < pieces.length; start += backend.info.batchSize) {
    await breathe(options.call.signal);
    const part = pieces.slice(start, start + backend.info.batchSize);
    backend.decode({
      tokens: Int32Array.from(part, (piece) => piece.token),
      positions: Int32Array.from(part, (piece) => piece.position),
      sequences: Int32Array.from(part, (piece) => piece.sequence),
      wantsLogits: Uint8Array.from(part, (piece) =>
        options.wants(piece.index, piece.position) ? 1 : 0,
      ),
    });
    let row = 0;
    while (row < part.length) {
      const first = part[row];
      if (first === undefined) break;
      let end = row;
      while (part[end]?.index === first.index) end++;
      options.visit({
        index: first.index,
        sequence: first.sequence,
        from: first.position,
        row,
        count: end - row,
      });
      row = end;
    }
  }
}

/** Pooled residuals; see Model.capture. */
export async function capture(
  backend: Backend,
  sequences: readonly Int32Array[],
  options: CaptureOptions,
): Promise<Captured[]> {
  const layers = [...options.layers].toSorted((a, b) => a - b);
  assertLayers(backend, layers);
  const pools = sequences.map((sequence) => createPool(backend, sequence.length, options));
  await withSteering(backend, options, () =>
    feed(backend, sequences, {
      layers,
      earlyExit: options.earlyExit ?? true,
      wants: (index, position) => position === (sequences[index]?.length ?? 0) - 1,
      visit: (span) => pools[span.index]?.add(span),
      call: options,
    }),
  );
  return pools.map((pool) => pool.end());
}

/** Readings of every position; see Model.project. */
export async function project(
  backend: Backend,
  sequences: readonly Int32Array[],
  options: ProjectOptions,
): Promise<Float32Array[]> {
  const reader = createReader(backend, options.probes);
  const results = sequences.map((sequence) => new Float32Array(sequence.length * reader.count));
  await withSteering(backend, options, () =>
    feed(backend, sequences, {
      layers: reader.layers,
      earlyExit: backend.info.reading === 'tensor-callback',
      wants: (index, position) => position === (sequences[index]?.length ?? 0) - 1,
      visit: (span) => {
        const result = results[span.index];
        if (result === undefined) return;
        for (let i = 0; i < span.count; i++) {
          reader.read(span.row + i, result, (span.from + i) * reader.count);
        }
      },
      call: options,
    }),
  );
  return results;
}

/** Runs with the steering of the call and takes it away afterwards, whatever happens. */
export async function withSteering<T>(
  backend: Backend,
  options: CallOptions,
  run: () => Promise<T>,
): Promise<T> {
  const steering = options.steering ?? null;
  backend.steer(steering?.phase === 'reply' ? null : (steering?.vectors ?? null));
  try {
    return await run();
  } finally {
    backend.steer(null);
  }
}

/** Projects rows of the last decode on the directions of all probes. */
export interface Reader {
  readonly count: number;
  readonly layers: number[];
  read(row: number, out: Float32Array, at: number): void;
}

/** Checks probes against the backend's shape and prepares the reading. */
export function createReader(backend: Backend, probes: readonly Probe[]): Reader {
  const { width } = backend.info;
  const layers = [...new Set(probes.map((probe) => probe.layer))].toSorted((a, b) => a - b);
  assertLayers(backend, layers);
  for (const probe of probes) {
    if (probe.directions.length !== probe.bias.length * width) {
      throw new ShapeError('probe directions', probe.bias.length * width, probe.directions.length);
    }
  }
  return {
    count: probes.reduce((sum, probe) => sum + probe.bias.length, 0),
    layers,
    read(row: number, out: Float32Array, at: number): void {
      let target = at;
      for (const { layer, directions, bias, scale } of probes) {
        const rows = backend.residual(layer);
        // Copied out of native memory once: reads from an external buffer are slower.
        const residual = rows.slice(row * width, (row + 1) * width);
        for (let k = 0; k < bias.length; k++) {
          out[target++] = (dotAt(directions, k * width, residual) - (bias[k] ?? 0)) * scale;
        }
      }
    },
  };
}

/** Dot product of a row of a matrix with a vector; four sums so that the processor can overlap them. */
function dotAt(matrix: Float32Array, offset: number, vector: Float32Array): number {
  // The hottest loop of reading: indices stay in range, so the casts replace a branch a value.
  const n = vector.length;
  const end = n - (n % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0, k = offset; i < end; i += 4, k += 4) {
    a += (matrix[k] as number) * (vector[i] as number);
    b += (matrix[k + 1] as number) * (vector[i + 1] as number);
    c += (matrix[k + 2] as number) * (vector[i + 2] as number);
    d += (matrix[k + 3] as number) * (vector[i + 3] as number);
  }
  for (let i = end; i < n; i++) a += (matrix[offset + i] as number) * (vector[i] as number);
  return a + b + c + d;
}
