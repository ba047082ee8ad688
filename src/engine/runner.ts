/**
 * @file Capture and projection over any backend. Runs in the process that owns the backend,
 * so that only pooled or projected values leave it. Generation is in scheduler.ts,
 * scoring in scoring.ts.
 */
import { InvalidInputError } from '../errors.ts';
import type { Backend } from './backend.ts';
import type { CallOptions, Captured, CaptureOptions, ProjectOptions } from './engine.ts';
import { createPool, type Span } from './pooling.ts';
import { assertLayers, Reader } from './reader.ts';

/** Lets waiting messages (an abort) be handled; throws the platform's AbortError when asked to. */
export async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  signal?.throwIfAborted();
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
  const reader = new Reader(backend, options.probes);
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
  reader.flush();
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
