/** @file Projects residuals of the last decode on the directions of probes, several positions at a time. */
import { InvalidInputError, ShapeError } from '../errors.ts';
import { Projection } from '../math/kernels.ts';
import type { Backend } from './backend.ts';
import type { Probe } from './engine.ts';

/**
 * Positions that are read together. All emotions at all layers are more numbers than a cache holds: read for one
 * position at a time, they would come from memory for each token, as the weights do.
 */
const together = 16;

/** Throws InvalidInputError for layers that the model does not have. */
export function assertLayers({ info }: Backend, layers: readonly number[]): void {
  const last = info.blocks - 2;
  for (const layer of layers) {
    if (!Number.isInteger(layer) || layer < 0 || layer > last) {
      throw new InvalidInputError(`layer: expected a whole number from 0 to ${last}, got ${layer}`);
    }
  }
}

const projections = new WeakMap<Float32Array, Projection>();

/** What was made of these directions when they were first read. */
function projectionOf(directions: Float32Array, width: number): Projection {
  const known = projections.get(directions);
  if (known?.width === width) return known;
  const made = new Projection(directions, width);
  projections.set(directions, made);
  return made;
}

/** Takes residuals down after a decode and hands their readings out, at the latest when it is flushed. */
export class Reader {
  /** Readings of a position, all probes one after another. */
  readonly count: number;
  /** Layers that the probes read, rising. */
  readonly layers: readonly number[];
  readonly #backend: Backend;
  readonly #probes: readonly Probe[];
  /** Residuals that wait, layer by layer: [together, width]. Empty until something is read: many replies may wait. */
  readonly #rows = new Map<number, Float32Array>();
  /** Where the readings of the waiting positions go. */
  #targets: { readonly out: Float32Array; readonly at: number }[] = [];

  /** Throws ShapeError and InvalidInputError for probes that do not fit the backend's model. */
  constructor(backend: Backend, probes: readonly Probe[]) {
    const { width } = backend.info;
    this.#backend = backend;
    this.#probes = probes;
    this.layers = [...new Set(probes.map((probe) => probe.layer))].toSorted((a, b) => a - b);
    assertLayers(backend, this.layers);
    for (const { directions, bias } of probes) {
      if (directions.length !== bias.length * width)
        throw new ShapeError('probe directions', bias.length * width, directions.length);
    }
    this.count = probes.reduce((sum, probe) => sum + probe.bias.length, 0);
  }

  /** Reads row `row` of the last decode into out[at ... at + count - 1]; the numbers are there after `flush`. */
  read(row: number, out: Float32Array, at: number): void {
    const { width } = this.#backend.info;
    for (const layer of this.layers) {
      const rows = this.#rows.get(layer) ?? new Float32Array(together * width);
      this.#rows.set(layer, rows);
      rows.set(
        this.#backend.residual(layer).subarray(row * width, (row + 1) * width),
        this.#targets.length * width,
      );
    }
    this.#targets.push({ out, at });
    if (this.#targets.length === together) this.flush();
  }

  /** Readings of the first `rows` rows of the last decode, [rows, count]. */
  readAll(rows: number): Float32Array {
    const readings = new Float32Array(rows * this.count);
    if (this.count === 0) return readings;
    for (let row = 0; row < rows; row++) this.read(row, readings, row * this.count);
    this.flush();
    return readings;
  }

  /** Writes the readings of all positions that wait. */
  flush(): void {
    const { width } = this.#backend.info;
    const targets = this.#targets;
    if (targets.length === 0) return;
    this.#targets = [];
    let offset = 0;
    for (const { layer, directions, bias, scale } of this.#probes) {
      const rows = this.#rows.get(layer)?.subarray(0, targets.length * width);
      if (rows === undefined) continue;
      const dots = projectionOf(directions, width).of(rows);
      const { length } = bias;
      for (const [i, { out, at }] of targets.entries())
        for (let k = 0; k < length; k++)
          out[at + offset + k] = ((dots[i * length + k] ?? NaN) - (bias[k] ?? NaN)) * scale;
      offset += length;
    }
  }
}
