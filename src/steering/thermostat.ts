/** @file A thermostat in the pack's units to one in the engine's. */
import type { Thermostat } from '../engine/engine.ts';
import { InvalidInputError } from '../errors.ts';
import { centreAndSpread } from '../vectors/calibration.ts';
import type { VectorPack } from '../vectors/pack.ts';
import { buildSteering } from './steering.ts';

/** Tokens after which a past reading counts half. */
const halfLife = 4;

/** A thermostat in the units of a pack. */
export interface ThermostatPlan {
  /** The emotion whose reading is held down. */
  readonly watch: string;
  /** Reading above which it acts. */
  readonly threshold: number;
  /** The emotion that is added. */
  readonly with: string;
  /** Dose per spread of the watched reading on the calibration set. */
  readonly gain: number;
  /** Largest dose. */
  readonly limit: number;
}

/** `reading`: index of the watched emotion among the directions of all probes. */
export function buildThermostat(
  pack: VectorPack,
  { watch, threshold, with: emotion, gain, limit }: ThermostatPlan,
  reading: number,
): Thermostat {
  const { spread } = centreAndSpread(pack, watch);
  if (!(spread > 0))
    throw new InvalidInputError(`thermostat: ${watch} never varies on the calibration set`);
  const { vectors } = buildSteering(pack, [{ emotion, dose: 1 }]);
  return { reading, threshold, gain: gain / spread, limit, halfLife, vectors };
}
