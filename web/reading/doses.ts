/** @file Doses of steering, and what they mean in plain words. */

export type Doses = Readonly<Record<string, number>>;

/** Largest dose of a slider; far beyond what text survives on the models that were measured. */
export const largestDose = 0.3;
export const doseStep = 0.01;

/** The doses that are not 0. */
export function activeDoses(doses: Doses): Record<string, number> {
  return Object.fromEntries(Object.entries(doses).filter(([, dose]) => dose !== 0));
}

/** Steering summed over emotions and layers, in mean residual norms. */
export function strengthOf(doses: Doses, strengthPerDose: number): number {
  return Object.values(doses).reduce((sum, dose) => sum + Math.abs(dose), 0) * strengthPerDose;
}

/** What a strength does, relative to the limit above which text may fall apart. */
export function describeStrength(strength: number, limit: number): string {
  if (strength === 0) return 'no steering';
  if (strength <= limit * 0.4) return 'a gentle push';
  if (strength <= limit * 0.75) return 'a clear push';
  if (strength <= limit) return 'a strong push';
  return 'beyond what text survives';
}

/** A dose as it is written everywhere: `+0.05`. */
export function formatDose(dose: number): string {
  if (dose === 0) return '0';
  return `${dose > 0 ? '+' : '−'}${Math.abs(dose).toFixed(2)}`;
}

/** All active doses in one line: `desperate +0.05, calm −0.05`; `unsteered` if there are none. */
export function formatDoses(doses: Doses): string {
  const active = Object.entries(activeDoses(doses));
  if (active.length === 0) return 'unsteered';
  return active.map(([emotion, dose]) => `${emotion} ${formatDose(dose)}`).join(', ');
}

/** Steering from one emotion to another: the first down and the second up by the same dose. */
export function whatIf(from: string, to: string, dose: number): Record<string, number> {
  return from === to ? { [to]: dose } : { [from]: -dose, [to]: dose };
}
