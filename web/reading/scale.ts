/** @file Readings as standard deviations above everyday text, and their colour: blue below, orange above. */

/** Median and robust standard deviation of an emotion's readings on the calibration set. */
interface Calibration {
  readonly median: number;
  readonly spread: number;
}
export type Scale = ReadonlyMap<string, Calibration>;

/** Where the colour is full, in standard deviations; one in a thousand everyday tokens is beyond. */
export const fullColour = 4;

/** Steps of the colour on each side; finer ones can't be told apart. */
const steps = 24;

/** Opacity of the full colour. Above it the text would lose its contrast of 4.5 (see the test). */
const fullOpacity = 0.72;

type Rgb = readonly [number, number, number];
const below: Rgb = [33, 102, 172];
const above: Rgb = [217, 95, 2];

/** Standard deviations above everyday text; NaN where there is no reading or no spread. */
export function standardise(
  reading: number | undefined,
  calibration: Calibration | undefined,
): number {
  if (reading === undefined || !calibration || !(calibration.spread > 0)) return Number.NaN;
  return (reading - calibration.median) / calibration.spread;
}

/** `value` within -1 to 1 as a share of `max`; 0 if it is no number. */
export function share(value: number, max: number): number {
  if (!Number.isFinite(value) || !(max > 0)) return 0;
  return Math.max(-1, Math.min(1, value / max));
}

/** CSS colour to lay over any ground, for `value` on a scale to `max`; transparent at 0 and for NaN. */
export function heatColour(value: number, max: number = fullColour): string {
  const step = Math.round(share(value, max) * steps);
  if (step === 0) return 'transparent';
  const [r, g, b] = step < 0 ? below : above;
  return `rgba(${r},${g},${b},${((Math.abs(step) / steps) * fullOpacity).toFixed(3)})`;
}

/** The same colour as channels from 0 to 255 over `ground`. */
export function heatOver(value: number, max: number, ground: Rgb): [number, number, number] {
  const s = share(value, max);
  const pole = s < 0 ? below : above;
  const mix = (channel: 0 | 1 | 2): number =>
    Math.round(ground[channel] + (pole[channel] - ground[channel]) * Math.abs(s) * fullOpacity);
  return [mix(0), mix(1), mix(2)];
}

/** Relative luminance of sRGB channels, 0 to 1 (WCAG 2.2). */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((channel) => {
    const c = channel / 255;
    return c <= 0.040_45 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(a: Rgb, b: Rgb): number {
  const [dark, light] = [luminance(a), luminance(b)].toSorted((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** A signed number with a true minus sign; an en dash where there is none. */
export function formatSigned(value: number, digits = 1): string {
  if (!Number.isFinite(value)) return '–';
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return value < 0 ? `−${text}` : `+${text}`;
}

/** The end of an axis that holds `extent`: the next of 4, 6, 8, 12, 16, 24 and so on. */
export function axisEnd(extent: number): number {
  let end = 4;
  for (let step = 2; end < extent && end < 1000;) {
    end += step;
    if (end >= step * 4) step *= 2;
  }
  return end;
}
