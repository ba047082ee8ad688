/** @file A thermostat as people write it: `calm up to 0.06 while desperate > p95`. */
import { usualThermostat } from '../api/chat.ts';
import { InvalidInputError } from '../errors.ts';

/** In the words of the server's field `limbic.thermostat`. */
export interface ThermostatText {
  readonly watch: string;
  /** A reading, or a percentile of the calibration set as `p95`. */
  readonly above: number | string;
  readonly with: string;
  /** Largest dose. */
  readonly limit: number;
}

const pattern =
  /^(?<emotion>[^<>]+?)(?:\s+up to\s+(?<limit>\d*\.?\d+))?\s+while\s+(?<watch>[^<>]+?)\s*>\s*(?<above>p\d{1,2}(?:\.\d+)?|-?\d*\.?\d+)$/;

/** Parses it; the limit is that of usualThermostat by default and at most 5. Throws InvalidInputError. */
export function parseThermostat(text: string): ThermostatText {
  const parts = pattern.exec(text.trim())?.groups;
  const limit = Number(parts?.['limit'] ?? usualThermostat.limit);
  if (parts === undefined || !(limit > 0 && limit <= 5)) {
    throw new InvalidInputError(
      `thermostat: expected EMOTION [up to DOSE] while EMOTION > a reading or percentile, got "${text.trim().slice(0, 200)}"`,
      { hint: 'for example: calm up to 0.06 while desperate > p95' },
    );
  }
  const { emotion = '', watch = '', above = '' } = parts;
  return { watch, above: above.startsWith('p') ? above : Number(above), with: emotion, limit };
}
