/** @file One emotion at every layer and token of a text, as a canvas with its numbers under the pointer. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import type { MapResponse } from '../../src/api/lab.ts';
import { formatSigned, heatOver } from '../reading/scale.ts';
import { visibleText } from '../reading/token.ts';
import { onThemeChange } from './palette.ts';

const cell = { least: 14, most: 30, height: 11, left: 34, bottom: 74 } as const;

/** Pixels of a canvas's side; browsers leave a larger one empty. */
const longestSide = 32_767;
/** Cells that are narrower have no room for their tokens' texts. */
const leastForText = 9;

/** Device pixels a CSS pixel, and the width of a cell: as wide as the place allows, within limits. */
export function mapGrid(
  place: number,
  count: number,
  devicePixels: number,
): { ratio: number; across: number } {
  const wanted = Math.floor((place - cell.left - 12) / Math.max(1, count));
  const room = longestSide - cell.left - 12;
  const widest = room / Math.max(1, count);
  const across = Math.min(Math.max(cell.least, Math.min(cell.most, wanted)), widest);
  const ratio = Math.min(2, devicePixels, longestSide / (cell.left + count * across + 6));
  return { ratio, across };
}

function gridOf(canvas: HTMLCanvasElement, count: number): { ratio: number; across: number } {
  return mapGrid(canvas.parentElement?.clientWidth ?? 0, count, devicePixelRatio || 1);
}

/** Where the colour is full: the 98th percentile of the sizes, so that one token can't bleach the rest. */
export function mapEnd(values: readonly (readonly number[])[]): number {
  const sizes = values
    .flat()
    .map(Math.abs)
    .filter(Number.isFinite)
    .toSorted((a, b) => a - b);
  return sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
}

interface LayerSummary {
  readonly layer: number;
  readonly mean: number;
  readonly highest: number;
  readonly at: string;
}

/** One line a layer: mean, highest reading, and its token. */
export function summariseLayers(map: MapResponse): LayerSummary[] {
  return map.layers.map((layer, i) => {
    const row = map.values[i] ?? [];
    const highest = Math.max(...row);
    const mean = row.reduce((sum, value) => sum + value, 0) / Math.max(1, row.length);
    return { layer, mean, highest, at: map.tokens[row.indexOf(highest)] ?? '' };
  });
}

function groundOf(element: Element): [number, number, number] {
  const numbers = getComputedStyle(element).backgroundColor.match(/\d+/g)?.map(Number) ?? [];
  return [numbers[0] ?? 255, numbers[1] ?? 255, numbers[2] ?? 255];
}

function draw(canvas: HTMLCanvasElement, map: MapResponse, layerRead: number): void {
  const context = canvas.getContext('2d');
  const dialog = canvas.closest('dialog');
  if (!context || !dialog) return;
  const rows = map.layers.length;
  const { ratio, across } = gridOf(canvas, map.tokens.length);
  const [width, height] = [
    cell.left + map.tokens.length * across + 6,
    rows * cell.height + cell.bottom,
  ];
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  context.scale(ratio, ratio);
  const ground = groundOf(dialog);
  const end = mapEnd(map.values);
  const { color } = getComputedStyle(dialog);
  context.fillStyle = color;
  context.font = '10px sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const [i, layer] of map.layers.entries()) {
    // The last layer on top, as the residual stream flows upwards in most figures.
    const y = (rows - 1 - i) * cell.height;
    for (const [k, value] of (map.values[i] ?? []).entries()) {
      context.fillStyle = `rgb(${heatOver(value, end, ground).join(',')})`;
      context.fillRect(cell.left + k * across, y, across, cell.height);
    }
    context.fillStyle = color;
    if (layer === layerRead) context.fillText(`${layer} ▸`, cell.left - 3, y + cell.height / 2);
    else if (layer % 5 === 0 && Math.abs(layer - layerRead) > 1)
      context.fillText(String(layer), cell.left - 12, y + cell.height / 2);
  }
  if (across < leastForText) return;
  context.textAlign = 'right';
  context.font = '10.5px monospace';
  for (const [k, token] of map.tokens.entries()) {
    context.save();
    context.translate(cell.left + (k + 0.5) * across, rows * cell.height + 5);
    context.rotate(-Math.PI / 2);
    context.fillText(visibleText(token).slice(0, 11), 0, 0);
    context.restore();
  }
}

interface HeatMapProps {
  readonly map: MapResponse;
  /** The layer of all other readings; marked. */
  readonly layerRead: number;
}

/** The map, what is under the pointer, and a table of the layers. */
export function HeatMap({ map, layerRead }: HeatMapProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [text, setText] = useState('');
  useLayoutEffect(() => {
    const redraw = (): void => {
      if (canvas.current) draw(canvas.current, map, layerRead);
    };
    redraw();
    return onThemeChange(redraw);
  }, [map, layerRead]);
  const rows = summariseLayers(map);
  const strongest = rows.toSorted((a, b) => b.highest - a.highest)[0];
  const point = (event: PointerEvent): void => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box || !canvas.current) return;
    const { across } = gridOf(canvas.current, map.tokens.length);
    const k = Math.floor((event.clientX - box.left - cell.left) / across);
    const i = map.layers.length - 1 - Math.floor((event.clientY - box.top) / cell.height);
    const value = map.values[i]?.[k];
    if (value === undefined) return;
    setText(
      `layer ${map.layers[i]}, token ${k} ${visibleText(map.tokens[k] ?? '')}: ${formatSigned(value, 3)}`,
    );
  };
  return (
    <>
      <div class="heat-scroll" tabIndex={0} role="region" aria-label="Map of layers and tokens">
        <canvas
          ref={canvas}
          data-testid="heatmap"
          role="img"
          aria-label={`${map.emotion} at ${map.layers.length} layers and ${map.tokens.length} tokens. Highest ${formatSigned(strongest?.highest ?? Number.NaN, 3)} at layer ${strongest?.layer}, token ${visibleText(strongest?.at ?? '')}`}
          onPointerMove={point}
        />
      </div>
      <p class="readout">
        {text ||
          `Rows are layers, the last on top; ▸ marks layer ${layerRead}, which all other readings use.`}
      </p>
      <p class="small soft">
        Readings as shares of each layer’s mean residual norm; colour is full at ±
        {mapEnd(map.values).toFixed(3)}.
      </p>
      <details>
        <summary class="small">Layers as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Layer</th>
              <th scope="col" class="number">
                Mean
              </th>
              <th scope="col" class="number">
                Highest
              </th>
              <th scope="col">at</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ layer, mean, highest, at }) => (
              <tr key={layer}>
                <td>{layer}</td>
                <td class="number">{formatSigned(mean, 3)}</td>
                <td class="number">{formatSigned(highest, 3)}</td>
                <td class="mono">{visibleText(at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}
