/**
 * @file Where a number moves a reading (protocol section 3): the reading of one emotion at a high value of a
 * message less that at a low value, at every layer and token, beside the same of the neutral twin.
 */
import { renderHeatMap } from '../charts/heat-map.ts';
import type { Section } from '../charts/page.ts';
import { signed } from '../charts/terminal.ts';
import { chatTokens } from '../engine/chat-template.ts';
import type { Probe } from '../engine/engine.ts';
import { mean, quantile } from '../math/stats.ts';
import { makeProbe, type VectorPack } from '../vectors/pack.ts';
import { sharedLength } from './positions.ts';
import { rounded } from './recorder.ts';
import { fill, type IntensityTemplate } from './stimuli.ts';
import type { StudyLab } from './study.ts';

/** More layers than these are thinned to every second. */
const mostLayers = 16;

export interface DifferenceMap {
  /** Texts of the message's tokens and of what follows it; the number is one of them. */
  readonly tokens: readonly string[];
  /** [layers][tokens], shares of the residual norm at each layer. */
  readonly values: readonly (readonly number[])[];
}

export interface MapCell {
  readonly layers: readonly number[];
  readonly message: DifferenceMap;
  readonly twin: DifferenceMap;
}

/** Layers that a map shows: all of the pack, or every second, the pack's best one always among them. */
export function mapLayers({ layers, bestLayer }: VectorPack): number[] {
  const step = layers.length > mostLayers ? 2 : 1;
  return layers.filter((layer) => (layer - bestLayer) % step === 0);
}

/** Reads the first paraphrase and its twin at the lowest and the highest value: four passes. */
export async function measureMap(
  lab: StudyLab,
  { paraphrases, neutral, values }: IntensityTemplate,
  emotion: string,
): Promise<MapCell> {
  const layers = mapLayers(lab.pack);
  const probes = layers.map((layer) => makeProbe(lab.pack, [emotion], layer));
  const map = async (text = ''): Promise<DifferenceMap> => {
    const low = await readPass(lab, probes, fill(text, values[0] ?? NaN));
    const high = await readPass(lab, probes, fill(text, values.at(-1) ?? NaN));
    return differenceMap(low, high, layers.length);
  };
  return { layers, message: await map(paraphrases[0]), twin: await map(neutral[0]) };
}

/** Reads a user's message and what follows it, without what stands before every message. */
async function readPass(
  { model, signal }: StudyLab,
  probes: readonly Probe[],
  content: string,
): Promise<Pass> {
  const tokens = await chatTokens(model, [{ role: 'user', content }]);
  const other = await chatTokens(model, [{ role: 'user', content: '?' }]);
  const head = sharedLength(tokens, other);
  const [readings = new Float32Array(0)] = await model.project([tokens], { probes, signal });
  const pieces = await model.pieces(tokens);
  return { pieces: pieces.slice(head), readings: readings.subarray(head * probes.length) };
}

interface Pass {
  readonly pieces: readonly string[];
  /** [positions, layers] */
  readonly readings: Float32Array;
}

/** High less low, token by token; the tokens of the number are one column, the mean over them. */
export function differenceMap(low: Pass, high: Pass, layers: number): DifferenceMap {
  const { before, after } = alignAround(low.pieces, high.pieces);
  const number = ({ pieces }: Pass): string =>
    pieces
      .slice(before, pieces.length - after)
      .join('')
      .trim();
  const columns = before + 1 + after;
  const span = ({ pieces }: Pass, column: number): [from: number, to: number] => {
    if (column < before) return [column, column + 1];
    if (column === before) return [before, pieces.length - after];
    const position = pieces.length - columns + column;
    return [position, position + 1];
  };
  const at = (pass: Pass, column: number, layer: number): number => {
    const [from, to] = span(pass, column);
    return mean(
      Array.from(
        { length: to - from },
        (_, i) => pass.readings[(from + i) * layers + layer] ?? NaN,
      ),
    );
  };
  return {
    tokens: [
      ...low.pieces.slice(0, before),
      `${number(low)} → ${number(high)}`,
      ...low.pieces.slice(low.pieces.length - after),
    ],
    values: Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: columns }, (_value, column) =>
        rounded(at(high, column, layer) - at(low, column, layer)),
      ),
    ),
  };
}

/**
 * How many tokens two texts share before and after the number in which they differ. Digits that the numbers
 * have in common (the last zero of 250 and 16000) belong to the number.
 */
export function alignAround(
  low: readonly string[],
  high: readonly string[],
): { before: number; after: number } {
  const isDigit = (token: string | undefined): boolean => /\d/.test(token ?? '');
  let before = sharedLength(low, high);
  while (before > 0 && isDigit(low[before - 1])) before--;
  const ends = [low, high].map((tokens) => tokens.slice(before).toReversed());
  let after = sharedLength(ends[0] ?? [], ends[1] ?? []);
  while (after > 0 && isDigit(low[low.length - after])) after--;
  return { before, after };
}

/** Largest difference before the number, where there should be none. */
function beforeNumber({ tokens, values }: DifferenceMap): number {
  const number = tokens.findIndex((text) => text.includes(' → '));
  return Math.max(0, ...values.flatMap((row) => row.slice(0, number).map(Math.abs)));
}

/** The two maps on one scale, late layers on top. */
export function mapSection(
  { title, unit, values, more }: IntensityTemplate,
  { layers, message, twin }: MapCell,
  { emotion, bestLayer }: { emotion: string; bestLayer: number },
): Section {
  const sizes = [message, twin].flatMap((map) => map.values.flat().map(Math.abs));
  const max = quantile(sizes, 0.99) || 1;
  const map = (name: string, { tokens, values: table }: DifferenceMap): string =>
    renderHeatMap({
      title: `${name}: ${emotion} at ${values.at(-1)} less at ${values[0]} ${unit}`,
      columnLabel: 'token',
      rowLabel: 'layer',
      columns: tokens,
      rows: layers.map((layer, k) => ({ name: `${layer}`, values: table[k] ?? [] })).toReversed(),
      max,
    });
  const end = ({ values: table }: DifferenceMap): string => {
    return signed(table[layers.indexOf(bestLayer)]?.at(-1) ?? NaN, 4);
  };
  const rounding = Math.max(...[message, twin].map(beforeNumber));
  return {
    title: `Layer by token: ${title}`,
    lead: `More is ${more}. Reading of ${emotion} at ${values.at(-1)} ${unit} less that at ${values[0]}, as a share of the residual norm at each layer; one message and its neutral twin on one scale, whose ends are the 99th percentile of both. Before the number both texts are the same, so that what differs there is rounding (at most ${rounding.toFixed(4)} here); the number's own tokens are averaged. Right before the reply (last column) at layer ${bestLayer}: ${end(message)} in the message, ${end(twin)} in the twin. n is one text each: where it shows, not whether it holds; the measures above say that.`,
    body: map('message', message) + map('twin', twin),
  };
}
