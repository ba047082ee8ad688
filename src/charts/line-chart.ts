/** @file Lines over equally spaced or labelled points, as SVG. */
import { escapeHtml, renderTable } from './html.ts';

interface Series {
  readonly name: string;
  /** One a point; null leaves a gap. */
  readonly values: readonly (number | null)[];
  readonly dashed?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** What stands under each point. */
  readonly ticks: readonly string[];
  readonly series: readonly Series[];
  /** Shaded region of the control, one pair a point; NaN where it is not known. */
  readonly band?: {
    readonly name: string;
    readonly low: readonly number[];
    readonly high: readonly number[];
  };
}

const size = { width: 720, height: 300, left: 64, right: 150, top: 16, bottom: 48 };
const colours = ['#d95f02', '#2166ac', '#1b9e77', '#7570b3', '#666666', '#e7298a'];
/** Smallest distance of two line labels, in pixels of the drawing. */
const labelStep = 14;

export interface Frame {
  x(index: number): number;
  y(value: number): number;
  readonly low: number;
  readonly high: number;
}

/** Maps point indices and values to the drawing; the value axis spans the data and a margin of 5 %. */
export function frameOf(chart: LineChart): Frame {
  const all = [
    ...chart.series.flatMap(({ values }) => values),
    ...(chart.band?.low ?? []),
    ...(chart.band?.high ?? []),
  ];
  let [min, max] = [Infinity, -Infinity];
  for (const value of all) {
    if (value === null || !Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (min > max) [min, max] = [0, 1];
  const margin = (max - min || Math.abs(max) || 1) * 0.05;
  const [low, high] = [min - margin, max + margin];
  const inner = {
    width: size.width - size.left - size.right,
    height: size.height - size.top - size.bottom,
  };
  const steps = Math.max(1, chart.ticks.length - 1);
  return {
    low,
    high,
    x: (index) => size.left + (index / steps) * inner.width,
    y: (value) => size.top + ((high - value) / (high - low)) * inner.height,
  };
}

/** The chart with its data as a table below. */
export function renderLineChart(chart: LineChart): string {
  const frame = frameOf(chart);
  const parts = [axes(chart, frame), band(chart, frame)];
  const ends = labelPositions(chart, frame);
  for (const [k, series] of chart.series.entries()) {
    const colour = colours[k % colours.length] ?? '#666';
    parts.push(
      `<path d="${pathOf(series.values, frame)}" fill="none" stroke="${colour}" stroke-width="2"${series.dashed ? ' stroke-dasharray="5 4"' : ''}/>`,
    );
    if (chart.ticks.length <= 40) parts.push(points(series, frame, colour));
    parts.push(
      `<text x="${size.width - size.right + 8}" y="${(ends[k] ?? 0).toFixed(1)}" fill="${colour}">${escapeHtml(series.name)}</text>`,
    );
  }
  const every = Math.ceil(chart.ticks.length / mostRows);
  const rows = chart.ticks.flatMap((tick, i) =>
    i % every === 0
      ? [[tick, ...chart.series.map(({ values }) => values[i]?.toFixed(4) ?? '')]]
      : [],
  );
  const table = renderTable([chart.xLabel, ...chart.series.map(({ name }) => name)], rows);
  return `<figure><svg viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${escapeHtml(chart.title)}">${parts.join('')}</svg><figcaption>${escapeHtml(chart.title)}</figcaption><details><summary>${every === 1 ? 'the numbers' : `the numbers, one row of ${every}`}</summary>${table}</details></figure>`;
}

/** Columns of pixels that a line is drawn in at most, and rows of the table of a long one. */
const columns = size.width - size.left - size.right;
const mostRows = 1000;

/**
 * Indices of the points to draw: all, or of each column of pixels its first, lowest, highest and last, between which
 * the others can't be seen. A gap of whole columns stays one.
 */
export function drawnPoints(values: readonly (number | null)[]): number[] {
  if (values.length <= 4 * columns) return [...values.keys()];
  const drawn: number[] = [];
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.floor(((column + 1) * values.length) / columns);
    let [lowest, highest] = [from, from];
    for (let i = from; i < to; i++) {
      const value = values[i];
      if (value === null || value === undefined || !Number.isFinite(value)) continue;
      if (!((values[lowest] ?? Infinity) <= value)) lowest = i;
      if (!((values[highest] ?? -Infinity) >= value)) highest = i;
    }
    drawn.push(...new Set([from, Math.min(lowest, highest), Math.max(lowest, highest), to - 1]));
  }
  return drawn;
}

/** An SVG path; a null or NaN lifts the pen. */
export function pathOf(values: readonly (number | null)[], frame: Frame): string {
  let draws = false;
  return drawnPoints(values)
    .map((i) => {
      const value = values[i] ?? null;
      if (value === null || !Number.isFinite(value)) {
        draws = false;
        return '';
      }
      const command = draws ? 'L' : 'M';
      draws = true;
      return `${command}${frame.x(i).toFixed(1)} ${frame.y(value).toFixed(1)}`;
    })
    .join('');
}

function points({ values, name }: Series, frame: Frame, colour: string): string {
  return values
    .map((value, i) =>
      value === null || !Number.isFinite(value)
        ? ''
        : `<circle cx="${frame.x(i).toFixed(1)}" cy="${frame.y(value).toFixed(1)}" r="3" fill="${colour}"><title>${escapeHtml(name)}: ${value.toFixed(4)}</title></circle>`,
    )
    .join('');
}

function axes(chart: LineChart, frame: Frame): string {
  const lines: string[] = [];
  // Enough digits that neighbouring ticks differ.
  const digits = Math.max(0, Math.min(8, Math.ceil(-Math.log10((frame.high - frame.low) / 4)) + 1));
  for (let k = 0; k <= 4; k++) {
    const value = frame.low + ((frame.high - frame.low) * k) / 4;
    const y = frame.y(value).toFixed(1);
    lines.push(
      `<line class="grid" x1="${size.left}" x2="${size.width - size.right}" y1="${y}" y2="${y}"/><text class="tick" x="${size.left - 6}" y="${Number(y) + 4}" text-anchor="end">${value.toFixed(digits)}</text>`,
    );
  }
  const step = Math.max(1, Math.ceil(chart.ticks.length / 10));
  for (const [i, tick] of chart.ticks.entries()) {
    if (i % step === 0)
      lines.push(
        `<text class="tick" x="${frame.x(i).toFixed(1)}" y="${size.height - size.bottom + 16}" text-anchor="middle">${escapeHtml(tick)}</text>`,
      );
  }
  const middle = size.left + (size.width - size.left - size.right) / 2;
  lines.push(
    `<text class="tick" x="${middle}" y="${size.height - 8}" text-anchor="middle">${escapeHtml(chart.xLabel)} · ${escapeHtml(chart.yLabel)}</text>`,
  );
  return lines.join('');
}

/** The shaded region over the points where both edges are known. */
function band({ band: edges }: LineChart, frame: Frame): string {
  if (edges === undefined) return '';
  const known = edges.low.flatMap((low, i) => {
    const high = edges.high[i] ?? NaN;
    return Number.isFinite(low) && Number.isFinite(high) ? [{ i, low, high }] : [];
  });
  const at = (i: number, value: number): string =>
    `${frame.x(i).toFixed(1)} ${frame.y(value).toFixed(1)}`;
  const upper = known.map(({ i, high }) => at(i, high));
  const lower = known.map(({ i, low }) => at(i, low)).toReversed();
  return `<path d="M${[...upper, ...lower].join('L')}Z" class="band"><title>${escapeHtml(edges.name)}</title></path>`;
}

/** Heights of the line labels at the right, pushed apart so that none covers another. */
function labelPositions(chart: LineChart, frame: Frame): number[] {
  const wanted = chart.series.map(({ values }, k) => {
    const last = values.findLast((value) => value !== null && Number.isFinite(value)) ?? frame.low;
    return { k, y: frame.y(last) + 4 };
  });
  const result: number[] = [];
  let floor = -Infinity;
  for (const { k, y } of wanted.toSorted((a, b) => a.y - b.y)) {
    floor = Math.max(y, floor + labelStep);
    result[k] = floor;
  }
  return result;
}
