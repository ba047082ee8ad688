/**
 * @file Values with their intervals, row under row and in groups, as SVG: for arms side by side, where a line
 * through them would claim an order.
 */
import { escapeHtml, renderTable } from './html.ts';

interface IntervalPoint {
  readonly name: string;
  /** Not drawn where it is no number. */
  readonly value: number;
  /** Ends of the interval; not drawn where one is no number. */
  readonly low: number;
  readonly high: number;
}

export interface IntervalChart {
  readonly title: string;
  readonly xLabel: string;
  /** Whether the axis holds 0, marked by a line. @default false */
  readonly zero?: boolean;
  /** Ends of the axis. @default those of the data and a margin of 5 % */
  readonly domain?: readonly [low: number, high: number];
  /** From the top down. */
  readonly groups: readonly { readonly name: string; readonly points: readonly IntervalPoint[] }[];
}

const size = { width: 720, left: 200, right: 24, top: 8, bottom: 40, row: 20 };
const colours = ['#d95f02', '#2166ac', '#1b9e77', '#7570b3', '#666666', '#e7298a'];

/** The chart with its numbers as a table below. Rows of the same name have the same colour. */
export function renderIntervals(chart: IntervalChart): string {
  const { title, groups } = chart;
  const [low, high] = domainOf(chart);
  const span = size.width - size.left - size.right;
  const x = (value: number): number => size.left + ((value - low) / (high - low)) * span;
  const names = [...new Set(groups.flatMap(({ points }) => points.map(({ name }) => name)))];
  const rows: string[] = [];
  let y = size.top;
  for (const group of groups) {
    y += size.row;
    rows.push(
      `<text x="8" y="${y - 5}" font-weight="600" fill="currentColor">${escapeHtml(group.name)}</text>`,
    );
    for (const point of group.points) {
      y += size.row;
      const colour = colours[names.indexOf(point.name) % colours.length] ?? '#666';
      rows.push(rowOf(point, { x, y: y - size.row / 2, colour }));
    }
  }
  const height = y + size.bottom;
  const drawing = [...axis(chart, { low, high, x, bottom: y }), ...rows].join('');
  const table = renderTable(
    ['group', 'row', 'value', 'from', 'to'],
    groups.flatMap(({ name, points }) =>
      points.map((point) => [
        name,
        point.name,
        shown(point.value),
        shown(point.low),
        shown(point.high),
      ]),
    ),
  );
  return `<figure><svg viewBox="0 0 ${size.width} ${height}" role="img" aria-label="${escapeHtml(title)}">${drawing}</svg><figcaption>${escapeHtml(title)}</figcaption><details><summary>the numbers</summary>${table}</details></figure>`;
}

/** What the axis spans; 0 to 1 without data. */
function domainOf({ domain, zero = false, groups }: IntervalChart): readonly [number, number] {
  if (domain !== undefined) return domain;
  const numbers = groups
    .flatMap(({ points }) => points.flatMap(({ value, low, high }) => [value, low, high]))
    .filter(Number.isFinite);
  if (numbers.length === 0) return [0, 1];
  const all = zero ? [...numbers, 0] : numbers;
  const [min, max] = [Math.min(...all), Math.max(...all)];
  const margin = (max - min || Math.abs(max) || 1) * 0.05;
  return [min - margin, max + margin];
}

function rowOf(
  { name, value, low, high }: IntervalPoint,
  { x, y, colour }: { x: (value: number) => number; y: number; colour: string },
): string {
  const label = `<text class="tick" x="${size.left - 10}" y="${y + 4}" text-anchor="end">${escapeHtml(name)}</text>`;
  const line =
    Number.isFinite(low) && Number.isFinite(high)
      ? `<line x1="${x(low).toFixed(1)}" x2="${x(high).toFixed(1)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"/>`
      : '';
  const dot = Number.isFinite(value)
    ? `<circle cx="${x(value).toFixed(1)}" cy="${y}" r="4" fill="${colour}"><title>${escapeHtml(name)}: ${shown(value)}</title></circle>`
    : '';
  return label + line + dot;
}

function axis(
  { xLabel, zero = false }: IntervalChart,
  frame: { low: number; high: number; x: (value: number) => number; bottom: number },
): string[] {
  const { low, high, x, bottom } = frame;
  const digits = Math.max(0, Math.min(8, Math.ceil(-Math.log10((high - low) / 4)) + 1));
  const ticks = Array.from({ length: 5 }, (_, k) => {
    const value = low + ((high - low) * k) / 4;
    const at = x(value).toFixed(1);
    return `<line class="grid" x1="${at}" x2="${at}" y1="${size.top}" y2="${bottom}"/><text class="tick" x="${at}" y="${bottom + 14}" text-anchor="middle">${value.toFixed(digits)}</text>`;
  });
  const middle = size.left + (size.width - size.left - size.right) / 2;
  return [
    ...ticks,
    zero && low <= 0 && high >= 0
      ? `<line x1="${x(0).toFixed(1)}" x2="${x(0).toFixed(1)}" y1="${size.top}" y2="${bottom}" stroke="currentColor" stroke-dasharray="3 3"/>`
      : '',
    `<text class="tick" x="${middle}" y="${bottom + 32}" text-anchor="middle">${escapeHtml(xLabel)}</text>`,
  ];
}

const shown = (value: number): string => (Number.isFinite(value) ? value.toFixed(4) : '');
