/** @file The straight line through points by ordinary least squares. */
import { mean } from './stats.ts';

export interface Line {
  /** Change of y for each unit of x; NaN of fewer than two points and where all x are equal, as all below. */
  readonly slope: number;
  /** y at x = 0, in units of y. */
  readonly intercept: number;
  /** [points] y less the line, in units of y. */
  readonly residuals: readonly number[];
  /** Standard error of the slope if the residuals are independent, from 0; NaN of two points too. */
  readonly error: number;
}

/** The line through [points] of x and y that leaves the least sum of squares of y. Throws nothing. */
export function fitLine(points: readonly (readonly [x: number, y: number])[]): Line {
  const [centreX, centreY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  let [xy, xx] = [0, 0];
  for (const [x, y] of points) {
    xy += (x - centreX) * (y - centreY);
    xx += (x - centreX) ** 2;
  }
  const slope = xy / xx;
  const residuals = points.map(([x, y]) => y - centreY - slope * (x - centreX));
  const squares = residuals.reduce((sum, residual) => sum + residual ** 2, 0);
  const error = Math.sqrt(squares / (points.length - 2) / xx);
  return { slope, intercept: centreY - slope * centreX, residuals, error };
}
