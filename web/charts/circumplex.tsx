/** @file The emotions on the first two components of their vectors; a drag goes from one to another. */
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';

import type { LabEmotion } from '../../src/api/lab.ts';
import { heatColour } from '../reading/scale.ts';

interface CircumplexProps {
  readonly emotions: readonly LabEmotion[];
  readonly label: string;
  /** Names that are always written. */
  readonly labelled: readonly string[];
  readonly chosen?: string | undefined;
  /** Names that are joined to the chosen one. */
  readonly near?: readonly string[];
  readonly arrow?: { readonly from: string; readonly to: string } | undefined;
  /** Side in units of the drawing; larger ones have smaller type. */
  readonly size: number;
  readonly onPick?: (name: string) => void;
  readonly onDrag?: (from: string, to: string) => void;
}

type Point = readonly [x: number, y: number];

const margin = 16;

/** Pixel of an emotion in a square of `size`; y grows upwards. */
export function pointOf({ x, y }: { readonly x: number; readonly y: number }, size: number): Point {
  const half = size / 2 - margin;
  return [size / 2 + x * half, size / 2 - y * half];
}

/** The emotion nearest to a pixel, or null if none is within `reach`. */
export function nearestEmotion(
  emotions: readonly LabEmotion[],
  [x, y]: Point,
  { size, reach }: { readonly size: number; readonly reach: number },
): LabEmotion | null {
  let best: LabEmotion | null = null;
  let distance = reach;
  for (const emotion of emotions) {
    const [ex, ey] = pointOf(emotion, size);
    const d = Math.hypot(ex - x, ey - y);
    if (d <= distance) [best, distance] = [emotion, d];
  }
  return best;
}

/** Names of the emotions at the four ends: left, right, bottom, top. */
export function endsOf(emotions: readonly LabEmotion[]): readonly [string, string, string, string] {
  const byX = emotions.toSorted((a, b) => a.x - b.x);
  const byY = emotions.toSorted((a, b) => a.y - b.y);
  return [byX[0]?.name ?? '', byX.at(-1)?.name ?? '', byY[0]?.name ?? '', byY.at(-1)?.name ?? ''];
}

function Arrow({ from, to }: { readonly from: Point; readonly to: Point }): JSX.Element {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const [x, y] = [to[0] - ux * 7, to[1] - uy * 7];
  const base: Point = [x - ux * 9, y - uy * 9];
  return (
    <>
      <line class="arrow" x1={from[0]} y1={from[1]} x2={base[0]} y2={base[1]} />
      <path
        class="head"
        d={`M${x} ${y}L${base[0] - uy * 5} ${base[1] + ux * 5}L${base[0] + uy * 5} ${base[1] - ux * 5}Z`}
      />
    </>
  );
}

interface Label {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly isLeft: boolean;
}

/** Labels beside their points, moved down where they would cover another; widths are guessed from letters. */
export function placeLabels(
  points: readonly (readonly [name: string, point: Point])[],
  size: number,
): Label[] {
  const [line, letter] = [14, 7];
  const placed: (Label & { readonly left: number; readonly right: number })[] = [];
  for (const [name, [px, py]] of points.toSorted(([, a], [, b]) => a[1] - b[1])) {
    const isLeft = px > size * 0.72;
    const x = px + (isLeft ? -8 : 8);
    const width = name.length * letter;
    const [left, right] = isLeft ? [x - width, x] : [x, x + width];
    let y = py + 4;
    for (const other of placed) {
      const overlaps = left < other.right && right > other.left;
      if (overlaps && Math.abs(other.y - y) < line) y = other.y + line;
    }
    placed.push({ name, x, y, isLeft, left, right });
  }
  return placed;
}

/** Room above and below the square for the names of the ends. */
const strip = 18;

function Axes({
  emotions,
  size,
}: {
  readonly emotions: readonly LabEmotion[];
  readonly size: number;
}): JSX.Element {
  const middle = size / 2;
  const [left, right, bottom, top] = endsOf(emotions);
  const under = size + strip - 7;
  return (
    <g font-size="11">
      <line class="axis" x1={margin} x2={size - margin} y1={middle} y2={middle} />
      <line class="axis" y1={margin} y2={size - margin} x1={middle} x2={middle} />
      <text class="end" x={middle} y={-strip + 13} text-anchor="middle">
        {top} ↑
      </text>
      <text class="end" x={8} y={under}>
        ← {left}
      </text>
      <text class="end" x={middle} y={under} text-anchor="middle">
        ↓ {bottom}
      </text>
      <text class="end" x={size - 8} y={under} text-anchor="end">
        {right} →
      </text>
    </g>
  );
}

type Places = ReadonlyMap<string, Point>;

function Links(props: {
  readonly places: Places;
  readonly chosen: string | undefined;
  readonly near: readonly string[];
}): JSX.Element | null {
  const start = props.places.get(props.chosen ?? '');
  if (!start) return null;
  return (
    <>
      {props.near.map((name) => {
        const end = props.places.get(name);
        if (!end) return null;
        return <line key={name} class="link" x1={start[0]} y1={start[1]} x2={end[0]} y2={end[1]} />;
      })}
    </>
  );
}

interface DotsProps extends CircumplexProps {
  readonly places: Places;
  readonly hovered: string | null;
}

function Dots({ emotions, places, chosen, near = [], hovered, size }: DotsProps): JSX.Element {
  return (
    <>
      {emotions.map(({ name, x }) => {
        const [cx, cy] = places.get(name) ?? [0, 0];
        const isLit = name === chosen || name === hovered;
        const isDim = chosen !== undefined && !isLit && !near.includes(name);
        return (
          <circle
            key={name}
            class={`dot${isLit ? ' chosen' : ''}${isDim ? ' dim' : ''}`}
            cx={cx}
            cy={cy}
            r={(size > 400 ? 5 : 3.6) + (isLit ? 1.5 : 0)}
            style={{ fill: dotColour(x) }}
          />
        );
      })}
    </>
  );
}

/** The map. Without a pointer the same choices are made in the lists beside it. */
export function Circumplex(props: CircumplexProps): JSX.Element {
  const { emotions, label, labelled, chosen, near = [], arrow, size, onPick, onDrag } = props;
  const svg = useRef<SVGSVGElement>(null);
  const [hovered, setHovered] = useState<string | null>(null);
  const [start, setStart] = useState<string | null>(null);
  const places = new Map(emotions.map((emotion) => [emotion.name, pointOf(emotion, size)]));
  const at = (event: PointerEvent): string | null => {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return null;
    const unit = size / box.width;
    const point: Point = [
      (event.clientX - box.left) * unit,
      (event.clientY - box.top) * unit - strip,
    ];
    return nearestEmotion(emotions, point, { size, reach: 22 * unit })?.name ?? null;
  };
  const shownArrow = start && hovered ? { from: start, to: hovered } : arrow;
  const [from, to] = [places.get(shownArrow?.from ?? ''), places.get(shownArrow?.to ?? '')];
  const written = [...new Set([...labelled, ...near, chosen, hovered])].filter(
    (name): name is string => typeof name === 'string' && places.has(name),
  );
  return (
    <svg
      ref={svg}
      class="circumplex"
      viewBox={`0 ${-strip} ${size} ${size + 2 * strip}`}
      role="img"
      aria-label={label}
      onPointerMove={(event) => setHovered(at(event))}
      onPointerLeave={() => {
        setHovered(null);
        setStart(null);
      }}
      onPointerDown={(event) => {
        const name = at(event);
        setHovered(name);
        setStart(name);
        if (name) onPick?.(name);
      }}
      onPointerUp={(event) => {
        const name = at(event);
        if (start && name && name !== start) onDrag?.(start, name);
        setStart(null);
      }}
    >
      <Axes emotions={emotions} size={size} />
      <Links places={places} chosen={chosen} near={near} />
      <Dots {...props} places={places} hovered={hovered} />
      {from && to && <Arrow from={from} to={to} />}
      {placeLabels(
        written.map((name) => [name, places.get(name) ?? [0, 0]]),
        size,
      ).map(({ name, x, y, isLeft }) => (
        <text
          key={name}
          x={x}
          y={y}
          text-anchor={isLeft ? 'end' : 'start'}
          font-size="12"
          font-weight={name === chosen || name === hovered ? 600 : 400}
        >
          {name}
        </text>
      ))}
    </svg>
  );
}

/** Colour by the position on the first component; grey in the middle, where a transparent dot would vanish. */
function dotColour(x: number): string {
  return Math.abs(x) < 0.08 ? 'var(--edge)' : heatColour(Math.sign(x) * (0.35 + Math.abs(x)), 1);
}
