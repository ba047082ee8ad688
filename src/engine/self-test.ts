/**
 * @file The steering self-test that each engine runs when it opens a model: some architectures ignore
 * control vectors silently, so the residual after the steered block must move by exactly the vector.
 */
import { UnsupportedModelError } from '../errors.ts';
import { randomFrom } from '../math/random.ts';
import type { Backend } from './backend.ts';

/** Accepted deviation as a share of the vector's norm; float32 sums and quantised rows stay far below. */
const tolerance = 0.01;

/** Returns the deviation ||moved - vector|| / ||vector||; throws UnsupportedModelError above 1 %. */
export function selfTest(backend: Backend): number {
  const { blocks, width, architecture } = backend.info;
  const layer = Math.max(1, Math.min(blocks - 2, Math.floor(blocks / 2)));
  if (blocks < 3) return 0;
  const tokens = backend.tokenize('The kettle sings.', true, false);
  const before = residualAt(backend, tokens, layer);
  const random = randomFrom(7);
  const norm = Math.hypot(...before.subarray(before.length - width)) || 1;
  const vector = Float32Array.from({ length: width }, () => (random() - 0.5) * norm * 0.1);
  backend.steer(new Map([[layer, vector]]));
  const after = residualAt(backend, tokens, layer);
  backend.steer(null);
  let off = 0;
  for (let k = 0; k < width; k++) {
    const at = before.length - width + k;
    off += ((after[at] ?? 0) - (before[at] ?? 0) - (vector[k] ?? 0)) ** 2;
  }
  const deviation = Math.sqrt(off) / Math.hypot(...vector);
  if (!(deviation < tolerance)) {
    throw new UnsupportedModelError(
      `steering: architecture ${architecture} ignores control vectors (residual off by ${deviation.toFixed(3)} of the vector)`,
      { hint: 'reading may work all the same; steering this model will not' },
    );
  }
  return deviation;
}

function residualAt(backend: Backend, tokens: Int32Array, layer: number): Float32Array {
  backend.begin({ layers: [layer], earlyExit: false });
  const wantsLogits = new Uint8Array(tokens.length);
  wantsLogits[tokens.length - 1] = 1;
  backend.decode({
    tokens,
    positions: tokens.map((_, i) => i),
    sequences: new Int32Array(tokens.length),
    wantsLogits,
  });
  return backend.residual(layer).slice();
}
