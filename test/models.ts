import { cachedPath, planOf } from '../src/store/fetch.ts';
import { loadRegistry } from '../src/store/registry.ts';

/** Path of a model that the tests may use, or null if it is not here. */
export function testModel(name: string): string | null {
  const entry = loadRegistry().find((candidate) => candidate.name === name);
  return (
    process.env[`LIMBIC_TEST_${name}`] ?? (entry === undefined ? null : cachedPath(planOf(entry)))
  );
}

/** What a skipped title says. */
export function needs(name: string): string {
  return testModel(name) === null ? ` (skipped: ${name} is not here; limbic fetch ${name})` : '';
}
