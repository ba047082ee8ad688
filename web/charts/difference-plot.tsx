/** @file A small dot plot: the mean of each emotion on both sides, and the step between them. */
import type { JSX } from 'preact';

import { axisEnd, formatSigned } from '../reading/scale.ts';

interface DifferenceRow {
  readonly name: string;
  readonly unsteered: number;
  readonly steered: number;
}

const size = { width: 520, row: 21, left: 118, right: 66, top: 20 } as const;

/** Means in standard deviations; an open dot without steering, a filled one with it. */
export function DifferencePlot({
  rows,
}: {
  readonly rows: readonly DifferenceRow[];
}): JSX.Element | null {
  const known = rows.filter(({ unsteered, steered }) => Number.isFinite(unsteered + steered));
  if (known.length === 0) return null;
  const extent = Math.max(
    ...known.flatMap((row) => [Math.abs(row.unsteered), Math.abs(row.steered)]),
  );
  const end = extent <= 2 ? 2 : axisEnd(extent);
  const xOf = (value: number): number =>
    size.left + ((value + end) / (2 * end)) * (size.width - size.left - size.right);
  const height = size.top + known.length * size.row + 4;
  const summary = known
    .map(({ name, unsteered, steered }) => `${name} ${formatSigned(steered - unsteered, 2)}`)
    .join(', ');
  return (
    <figure class="difference">
      <svg
        viewBox={`0 0 ${size.width} ${height}`}
        role="img"
        aria-label={`Mean difference, steered less unsteered, in standard deviations: ${summary}`}
      >
        {[-end, -end / 2, 0, end / 2, end].map((level) => (
          <g key={level}>
            <line
              class={level === 0 ? 'zero' : 'grid'}
              x1={xOf(level)}
              x2={xOf(level)}
              y1={size.top - 4}
              y2={height - 4}
            />
            <text class="tick" x={xOf(level)} y={10} text-anchor="middle">
              {formatSigned(level, 0)}
            </text>
          </g>
        ))}
        <text class="tick" x={size.width} y={10} text-anchor="end">
          change
        </text>
        {known.map(({ name, unsteered, steered }, i) => {
          const y = size.top + (i + 0.5) * size.row;
          return (
            <g key={name}>
              <text x={size.left - 12} y={y + 4} text-anchor="end">
                {name}
              </text>
              <line class="step" x1={xOf(unsteered)} x2={xOf(steered)} y1={y} y2={y} />
              <circle class="open" cx={xOf(unsteered)} cy={y} r={4} />
              <circle class="full" cx={xOf(steered)} cy={y} r={4} />
              <text x={size.width} y={y + 4} text-anchor="end">
                {formatSigned(steered - unsteered, 2)}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption class="small soft">
        Mean over the reply’s tokens, standard deviations above everyday text. Open: unsteered;
        filled: steered.
      </figcaption>
    </figure>
  );
}
