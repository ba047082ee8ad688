/** @file The diverging colour scale of all readings: blue below, orange above; safe for colour-blind eyes. */

const below: readonly [number, number, number] = [33, 102, 172];
const above: readonly [number, number, number] = [217, 95, 2];

/** A value as a share of the scale's end, from -1 to 1; 0 if it is no number. */
export function share(value: number, max: number): number {
  if (!Number.isFinite(value) || !(max > 0)) return 0;
  return Math.max(-1, Math.min(1, value / max));
}

/** Colour of a value with its opacity, so that it works on light and dark ground. */
export function cssColour(value: number, max: number): string {
  const s = share(value, max);
  const [r, g, b] = s < 0 ? below : above;
  return `rgba(${r},${g},${b},${(Math.abs(s) * 0.75).toFixed(3)})`;
}

/** The same colour mixed into a dark terminal's ground, 0 to 255 a channel. */
export function terminalColour(value: number, max: number): [number, number, number] {
  const s = share(value, max);
  const [r, g, b] = s < 0 ? below : above;
  const mix = (channel: number): number => Math.round(30 + (channel - 30) * Math.abs(s));
  return [mix(r), mix(g), mix(b)];
}
