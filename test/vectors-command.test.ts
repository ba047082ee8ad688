import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test, vi } from 'vitest';

import { parseCommandLine } from '../src/cli/command.ts';
import { vectorsCommand } from '../src/cli/vectors.ts';
import { LimbicError } from '../src/errors.ts';
import { readControlVector, writeControlVector } from '../src/formats/control-vector.ts';
import { randomDirection, randomFrom } from '../src/math/random.ts';
import { cosine, norm } from '../src/math/vector.ts';
import { buildSteering, middleLayers } from '../src/steering/steering.ts';
import { addEmotion, measuredStability, placeDirections } from '../src/vectors/add-emotion.ts';
import { buildAtlas } from '../src/vectors/atlas.ts';
import {
  emotionDirection,
  emotionVector,
  loadPack,
  makeProbe,
  normAt,
  replyBaseline,
  replySpread,
  writePack,
} from '../src/vectors/pack.ts';
import { needs, testModel } from './models.ts';

const folder = mkdtempSync(join(tmpdir(), 'limbic-vectors-command-'));
const packPath = 'data/packs/smollm2-135m.safetensors';
const pack = loadPack(packPath);
const hasModel = testModel('smollm2-135m') !== null;
const note = needs('smollm2-135m');

/** Runs the command here; what it printed. */
async function limbic(...argv: string[]): Promise<string> {
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  const parsed = parseCommandLine(vectorsCommand, argv);
  await vectorsCommand.run({ ...parsed, signal: new AbortController().signal });
  const out = print.mock.calls.map((args) => String(args[0])).join('\n');
  print.mockRestore();
  return out;
}

const withPack = ['--pack', packPath];
const gguf = join(folder, 'x.gguf');
const other = join(folder, 'other.gguf');
writeControlVector(other, { modelHint: '', directions: new Map([[3, Float32Array.of(1, 2)]]) });
const late = join(folder, 'late.gguf');
writeControlVector(late, {
  modelHint: 'llama',
  directions: new Map([[40, new Float32Array(576).fill(1)]]),
});
writeFileSync(join(folder, 'text.gguf'), 'no control vector');

const bad: [string[], RegExp, code?: string][] = [
  [['calm'], /expected options only, got "calm"/],
  [['--show', 'calm', '--export', 'calm'], /got --show and --export/],
  [['--show', 'desprate'], /emotion: nothing is called "desprate"/, 'not-found'],
  [['--export', 'desprate', '--out', gguf], /nothing is called "desprate"/, 'not-found'],
  [['--combine', 'calm - desprate'], /nothing is called "desprate"/, 'not-found'],
  [['--combine', 'calm desperate'], /expected \+ or - at character 6/],
  [['--combine', 'calm - calm'], /expected a sum that is not 0/],
  [
    ['--combine', 'calm', '--out', 'x.bin'],
    /--out: expected FILE.gguf or FILE.safetensors, got "x.bin"/,
  ],
  [['--combine', 'calm', '--out', 'x.safetensors'], /expected --name NAME .* got none/],
  [['--combine', 'calm', '--out', 'x.safetensors', '--name', 'calm'], /got "calm", which is there/],
  [['--combine', 'calm', '--out', 'x.safetensors', '--name', 'a=b'], /a letter first, got "a=b"/],
  [['--export', 'calm'], /--export: expected --out FILE.gguf, got none/],
  [
    ['--export', 'calm', '--out', 'x.safetensors'],
    /--out: expected FILE.gguf, got "x.safetensors"/,
  ],
  [
    ['--export', 'calm', '--out', gguf, '--dose', '0'],
    /--dose: expected a number from -5 to 5 but 0, got "0"/,
  ],
  [['--import', other], /--import: expected --out FILE.safetensors, got none/],
  [['--import', other, '--out', 'x.safetensors'], /expected --name NAME/],
  [
    ['--import', other, '--out', 'x.safetensors', '--name', 'new'],
    /directions of 576 values for smollm2-135m, got 2/,
  ],
  [
    ['--import', late, '--out', 'x.safetensors', '--name', 'new'],
    /layers from 0 to 28, got none but zeros/,
  ],
  [
    ['--import', other, '--out', 'x.safetensors', '--name', 'n', '--convention', 'mine'],
    /expected repeng or cvector-generator, got "mine"/,
  ],
  [
    ['--import', join(folder, 'text.gguf'), '--out', 'x.safetensors', '--name', 'n'],
    /expected a GGUF control vector/,
    'bad-file',
  ],
  [
    ['--import', '/nowhere.gguf', '--out', 'x.safetensors', '--name', 'n'],
    /expected a readable file at \/nowhere.gguf/,
  ],
  [
    ['--export', 'calm', '--out', '/nowhere/x.gguf'],
    /expected a folder to write \/nowhere\/x.gguf in/,
  ],
  [['--out', gguf], /--out: expected --combine, --export or --import with it, got none/],
];

test.each(bad)(
  'limbic vectors %j fails with one sentence',
  async (args, message, code = 'invalid-input') => {
    try {
      await limbic(...withPack, ...args);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(LimbicError);
      // Each of these three codes ends the program with status 2.
      expect((error as LimbicError).code).toBe(code);
      expect((error as LimbicError).message).toMatch(message);
      expect((error as LimbicError).message).not.toContain('\n');
    }
  },
);

test('limbic vectors lists the pack', async () => {
  const listed = JSON.parse(await limbic(...withPack, '--json')) as {
    emotions: { emotion: string; stability: number }[];
  };
  expect(listed).toMatchObject({ model: 'smollm2-135m', blocks: 30, width: 576, bestLayer: 16 });
  expect(listed.emotions).toHaveLength(171);
  expect(listed.emotions[0]!.emotion).toBe('afraid');
  expect(listed.emotions[0]!.stability).toBeCloseTo(pack.stability[0]!, 6);
  const lines = (await limbic()).split('\n');
  expect(lines[0]).toContain('171 emotion vectors of 576 values after blocks 0 to 28 of 30');
  expect(lines[1]).toContain(
    'best after block 16: held-out top-1 0.573, top-5 0.842 (chance 0.006)',
  );
  expect(lines.slice(3).join(' ')).toContain('grief-stricken 0.');
});

test('limbic vectors --show gives the lengths of the pack and the neighbours of limbic atlas', async () => {
  const shown = JSON.parse(await limbic(...withPack, '--show', 'desperate', '--json')) as {
    layers: { layer: number; norm: number; share: number; cosineToPrevious: number | null }[];
    nearest: { emotion: string; cosine: number }[];
  };
  expect(shown.layers).toHaveLength(29);
  const at = shown.layers[16]!;
  const own = emotionVector(pack, 'desperate', 16);
  expect(at.norm).toBeCloseTo(norm(own), 6);
  expect(at.share).toBeCloseTo(norm(own) / normAt(pack, 16), 9);
  expect(at.cosineToPrevious).toBeCloseTo(cosine(own, emotionVector(pack, 'desperate', 15)), 9);
  expect(shown.layers[0]!.cosineToPrevious).toBeNull();
  const atlas = buildAtlas(pack).emotions.find(({ emotion }) => emotion === 'desperate')!;
  expect(shown.nearest.map(({ emotion }) => emotion)).toEqual(
    atlas.nearest.map(({ emotion }) => emotion),
  );
  const text = await limbic(...withPack, '--show', 'desperate');
  expect(text).toMatch(
    /share of the mean residual norm +[▁▂▃▄▅▆▇█]{29} {2}0\.\d{3} to 0\.\d{3}; 0\.055 at layer 16/,
  );
});

test('limbic vectors --export writes a dose of 0.05 mean residual norms at each middle layer', async () => {
  const out = await limbic(...withPack, '--export', 'desperate', '--out', gguf);
  expect(out).toContain(
    'layers 10 to 20, 0.05 mean residual norms each at strength 1, 0.55 in all',
  );
  const strong = await limbic(...withPack, '--export', 'desperate', '--out', gguf, '--dose', '0.1');
  expect(strong).toContain('start at strength 0.64');
  await limbic(...withPack, '--export', 'desperate', '--out', gguf);
  const { modelHint, directions } = readControlVector(gguf);
  expect(modelHint).toBe('llama');
  expect([...directions.keys()]).toEqual(middleLayers(pack));
  const { vectors } = buildSteering(pack, [{ emotion: 'desperate', dose: 0.05 }]);
  for (const [layer, direction] of directions) {
    const error = direction.map((value, k) => value - vectors.get(layer)![k]!);
    expect(norm(error) / norm(direction)).toBeLessThan(1e-6);
  }
  await limbic(...withPack, '--export', 'desperate', '--out', gguf, '--dose=-0.02', '--json');
  const weak = readControlVector(gguf).directions.get(16)!;
  expect(norm(weak) / normAt(pack, 16)).toBeCloseTo(0.02, 5);
  expect(cosine(weak, emotionVector(pack, 'desperate', 16))).toBeCloseTo(-1, 5);
});

test('limbic vectors --combine writes the sum of the unit vectors, as long as the dose', async () => {
  await limbic(...withPack, '--combine', 'calm - 0.5*desperate', '--out', gguf);
  const { directions } = readControlVector(gguf);
  expect(directions.size).toBe(11);
  for (const [layer, direction] of directions) {
    const desperate = emotionDirection(pack, 'desperate', layer);
    const sum = emotionDirection(pack, 'calm', layer).map(
      (value, k) => value - 0.5 * desperate[k]!,
    );
    expect(cosine(direction, sum)).toBeCloseTo(1, 5);
    expect(norm(direction) / normAt(pack, layer)).toBeCloseTo(0.05, 5);
  }
});

test('an emotion from a file without some layers reads 0 there, and is a number everywhere', () => {
  const random = randomFrom(3);
  const directions = new Map([12, 16, 29].map((layer) => [layer, randomDirection(576, random)]));
  const { vectors, left } = placeDirections(pack, directions);
  expect(left).toEqual([29]);
  const rows = pack.layers.map(() => Float32Array.from({ length: 5 * 576 }, () => random() - 0.5));
  const path = join(folder, 'partial.safetensors');
  writePack(path, addEmotion(pack, 'new-one', vectors, rows));
  const written = loadPack(path);
  expect(written.emotions.at(-1)).toBe('new-one');
  expect(measuredStability(written, 171)).toBeNull();
  expect(measuredStability(written, 0)).toBeCloseTo(pack.stability[0]!, 6);
  for (const layer of written.layers) {
    const probe = makeProbe(written, ['desperate', 'new-one'], layer);
    const spread = replySpread(written, 'new-one', layer);
    expect(spread).toBeGreaterThan(0);
    expect(probe.directions.every(Number.isFinite)).toBe(true);
    const [, baseline] = replyBaseline(written, probe);
    if (layer === 12 || layer === 16) {
      expect(
        Math.abs(cosine(emotionVector(written, 'new-one', layer), directions.get(layer)!)),
      ).toBeCloseTo(1, 5);
      expect(Number.isFinite(baseline! / spread)).toBe(true);
    } else {
      expect(norm(probe.directions.slice(576))).toBe(0);
      expect(probe.bias[1]! * probe.scale).toBe(0);
      expect(baseline).toBe(0);
      expect(spread).toBe(1);
    }
    // The emotions that were there are as they were.
    expect(emotionVector(written, 'weary', layer)).toEqual(emotionVector(pack, 'weary', layer));
    expect(replySpread(written, 'weary', layer)).toBe(replySpread(pack, 'weary', layer));
  }
  const steering = buildSteering(written, [{ emotion: 'new-one', dose: 0.1 }]);
  for (const vector of steering.vectors.values()) expect(vector.every(Number.isFinite)).toBe(true);
});

test('limbic vectors --export of an emotion without vectors at some layers leaves them out', async () => {
  const path = join(folder, 'partial.safetensors');
  await limbic('--pack', path, '--export', 'new-one', '--out', gguf);
  expect([...readControlVector(gguf).directions.keys()]).toEqual([12, 16]);
  const shown = await limbic('--pack', path, '--show', 'new-one', '--json');
  expect(shown).not.toContain('NaN');
  expect(await limbic('--pack', path, '--show', 'new-one')).not.toContain('NaN');
  expect(await limbic('--pack', path)).toContain('new-one –');
});

test.skipIf(!hasModel)(
  `limbic vectors --import puts direction.N at layer N, or N - 1, and leaves the other layers at 0${note}`,
  async () => {
    const directions = new Map([2, 3, 29].map((n) => [n, emotionVector(pack, 'proud', n - 1)]));
    writeControlVector(gguf, { modelHint: 'llama', directions });
    const path = join(folder, 'imported.safetensors');
    const options = ['--import', gguf, '--name', 'imported', '--out', path, '--json'];
    expect(JSON.parse(await limbic(...options))).toEqual({
      wrote: path,
      kind: 'pack',
      name: 'imported',
      layers: [2, 3],
      dose: null,
      left: [29],
    });
    directions.delete(29);
    writeControlVector(gguf, { modelHint: 'llama', directions });
    await limbic(...options, '--convention', 'cvector-generator');
    const written = loadPack(path);
    for (const layer of [1, 2]) {
      const vector = emotionVector(written, 'imported', layer);
      expect(cosine(vector, emotionVector(pack, 'proud', layer))).toBeCloseTo(1, 5);
    }
    for (const layer of [0, 3, 16]) expect(norm(emotionVector(written, 'imported', layer))).toBe(0);
    expect(replySpread(written, 'imported', 16)).toBe(1);
    const ratio = replySpread(written, 'imported', 1) / replySpread(pack, 'proud', 1);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.05);
  },
  240_000,
);

test.skipIf(!hasModel)(
  `limbic vectors --combine into a pack measures the readings before a reply as limbic extract does${note}`,
  async () => {
    const path = join(folder, 'twin.safetensors');
    const out = await limbic('--combine', '1*desperate', '--name', 'twin', '--out', path);
    expect(out).toContain(`wrote ${path}: the pack with twin at layers 0 to 28`);
    const written = loadPack(path);
    expect(written.emotions).toHaveLength(172);
    for (const layer of [1, 10, 16, 28]) {
      expect(emotionVector(written, 'twin', layer)).toEqual(
        emotionVector(pack, 'desperate', layer),
      );
      // The pack was made on another machine, whose kernels sum in another order.
      const ratio = replySpread(written, 'twin', layer) / replySpread(pack, 'desperate', layer);
      expect(Math.abs(ratio - 1)).toBeLessThan(0.05);
    }
  },
  240_000,
);
