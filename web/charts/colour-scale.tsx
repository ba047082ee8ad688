/** @file The legend of the tokens' colours, in standard deviations. */
import type { JSX } from 'preact';

import { formatSigned, fullColour, heatColour } from '../reading/scale.ts';

const levels = [-4, -3, -2, -1, 0, 1, 2, 3, 4];

export function ColourScale(): JSX.Element {
  return (
    <span
      class="scale"
      role="img"
      aria-label={`Colours: blue is ${fullColour} standard deviations below everyday text, orange as far above`}
      title="standard deviations above everyday text"
    >
      {levels.map((level) => (
        <span key={level} style={{ backgroundColor: heatColour(level) }}>
          {formatSigned(level, 0)}
        </span>
      ))}
    </span>
  );
}
