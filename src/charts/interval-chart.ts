/** @file A value with its interval for each of several names, as dots and lines in SVG, to see at once which overlap. */
import { escapeHtml, renderTable } from './html.ts';

export interface IntervalRow {
  readonly name: string;
  /** Null where it could not be measured; the row stays, empty. */
  readonly value: number | null;
  readonly interval?: readonly [low: number, high: number];
  /** What the value was counted over. */
  readonly n: number;
}

export interface IntervalChart {
  readonly title: string;
  /** What stands under the value axis. */
  readonly valueLabel: string;
  /** From the top down. */
  readonly rows: readonly IntervalRow[];
}

const size = { width: 720, left: 210, right: 24, top: 12, row: 28, bottom: 48 };
const colour = '#2166ac';
/** Characters of a name that fit at the left. */
const nameLength = 26;
/** Half of the small strokes that end an interval, in pixels of the drawing. */
const capSize = 4;

export interface ValueAxis {
  readonly low: number;
  readonly high: number;
  /** Place of a value from the left, in pixels of the drawing. */
  x(value: number): number;
}

/** Maps values to the drawing; the axis spans all values and intervals and a margin of 5 %. 0 to 1 without any. */
export function valueAxis(rows: readonly IntervalRow[]): ValueAxis {
  const numbers = rows
    .flatMap(({ value, interval }) => (value === null ? [] : [value, ...(interval ?? [])]))
    .filter(Number.isFinite);
  const [min, max] = numbers.length === 0 ? [0, 1] : [Math.min(...numbers), Math.max(...numbers)];
  const margin = (max - min || Math.abs(max) || 1) * 0.05;
  const [low, high] = numbers.length === 0 ? [min, max] : [min - margin, max + margin];
  const inner = size.width - size.left - size.right;
  return { low, high, x: (value) => size.left + ((value - low) / (high - low)) * inner };
}

/** The chart with its numbers as a table below. Where the axis passes 0, a line marks it. */
export function renderIntervalChart({ title, valueLabel, rows }: IntervalChart): string {
  const axis = valueAxis(rows);
  const height = size.top + rows.length * size.row + size.bottom;
  const parts = [
    grid(axis, { height, valueLabel }),
    ...rows.map((row, k) => drawRow(row, axis, size.top + (k + 0.5) * size.row)),
  ];
  const table = renderTable(
    ['', 'value', '95 % from', 'to', 'n'],
    rows.map(({ name, value, interval, n }) => [
      name,
      digits(value),
      value === null ? '' : digits(interval?.[0]),
      value === null ? '' : digits(interval?.[1]),
      n,
    ]),
  );
  return `<figure><svg viewBox="0 0 ${size.width} ${height}" role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg><figcaption>${escapeHtml(title)}</figcaption><details><summary>the numbers</summary>${table}</details></figure>`;
}

function digits(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? '' : value.toFixed(4);
}

function drawRow({ name, value, interval, n }: IntervalRow, axis: ValueAxis, y: number): string {
  const label = `<text class="tick" x="${size.left - 8}" y="${y + 4}" text-anchor="end">${escapeHtml(shortened(name))}<title>${escapeHtml(name)}</title></text>`;
  if (value === null || !Number.isFinite(value))
    return `${label}<text class="tick" x="${size.left + 8}" y="${y + 4}">not measured</text>`;
  const range =
    interval?.every(Number.isFinite) === true
      ? `<path d="${rangePath(interval, axis, y)}" fill="none" stroke="${colour}" stroke-width="2"/>`
      : '';
  const said =
    range === '' || interval === undefined ? '' : ` (${interval.map(digits).join(' to ')})`;
  return `${label}${range}<circle cx="${axis.x(value).toFixed(1)}" cy="${y}" r="4.5" fill="${colour}"><title>${escapeHtml(name)}: ${value.toFixed(4)}${said}, n ${n}</title></circle>`;
}

function rangePath(
  [low, high]: readonly [low: number, high: number],
  axis: ValueAxis,
  y: number,
): string {
  const [left, right] = [axis.x(low).toFixed(1), axis.x(high).toFixed(1)];
  const cap = (x: string): string => `M${x} ${y - capSize}L${x} ${y + capSize}`;
  return `M${left} ${y}L${right} ${y}${cap(left)}${cap(right)}`;
}

function grid(
  axis: ValueAxis,
  { height, valueLabel }: { readonly height: number; readonly valueLabel: string },
): string {
  const bottom = height - size.bottom;
  const lines: string[] = [];
  // Enough digits that neighbouring ticks differ.
  const places = Math.max(0, Math.min(8, Math.ceil(-Math.log10((axis.high - axis.low) / 4)) + 1));
  for (let k = 0; k <= 4; k++) {
    const value = axis.low + ((axis.high - axis.low) * k) / 4;
    const x = axis.x(value).toFixed(1);
    lines.push(
      `<line class="grid" x1="${x}" x2="${x}" y1="${size.top}" y2="${bottom}"/><text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${value.toFixed(places)}</text>`,
    );
  }
  if (axis.low < 0 && axis.high > 0) {
    const x = axis.x(0).toFixed(1);
    lines.push(
      `<line class="zero" x1="${x}" x2="${x}" y1="${size.top}" y2="${bottom}" stroke="#888888" stroke-width="1.5" stroke-dasharray="4 3"><title>0</title></line>`,
    );
  }
  const middle = size.left + (size.width - size.left - size.right) / 2;
  lines.push(
    `<text class="tick" x="${middle}" y="${height - 8}" text-anchor="middle">${escapeHtml(valueLabel)}</text>`,
  );
  return lines.join('');
}

/** A long name without its middle, as both ends tell models apart. */
function shortened(name: string): string {
  if (name.length <= nameLength) return name;
  const half = (nameLength - 1) / 2;
  return `${name.slice(0, Math.floor(half))}…${name.slice(-Math.ceil(half))}`;
}
