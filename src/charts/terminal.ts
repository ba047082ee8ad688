/** @file Coloured tokens and bars for the terminal. */
import { share, terminalColour } from './scale.ts';

/** Whether to colour: a terminal that did not ask for none (NO_COLOR), or FORCE_COLOR. */
export function wantsColour(stream: { isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean {
  if (environment['FORCE_COLOR']) return true;
  return stream.isTTY === true && !environment['NO_COLOR'];
}

/** A token on a ground coloured by its value. Without colour the token alone. */
export function paintToken(text: string, value: number, max: number, colour: boolean): string {
  const visible = text.replaceAll(
    /[^\P{Cc}\n]/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  if (!colour) return visible;
  const [r, g, b] = terminalColour(value, max);
  const paint = (part: string): string =>
    part === '' ? '' : `\x1b[48;2;${r};${g};${b}m\x1b[38;2;240;240;240m${part}\x1b[0m`;
  return visible.split('\n').map(paint).join('\n');
}

/** A bar from the middle: left for negative, right for positive; 2 * half + 1 characters wide. */
export function signedBar(value: number, max: number, half = 12): string {
  const length = Math.round(Math.abs(share(value, max)) * half);
  const filled = '█'.repeat(length);
  return value < 0
    ? `${' '.repeat(half - length)}${filled}│${' '.repeat(half)}`
    : `${' '.repeat(half)}│${filled}${' '.repeat(half - length)}`;
}

/** One character a value, from ▁ (the lowest) to █ (the highest). */
export function sparkline(values: readonly number[]): string {
  const steps = '▁▂▃▄▅▆▇█';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values
    .map((value) => steps[high > low ? Math.round(((value - low) / (high - low)) * 7) : 0])
    .join('');
}

/** A number with its sign, of three decimals as readings are printed; what rounds to 0 has no sign, NaN is a dash. */
export function signed(value: number, digits = 3): string {
  if (Number.isNaN(value)) return '–';
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? '-' : '+'}${text}`;
}
