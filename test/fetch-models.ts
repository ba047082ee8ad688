import { defaultModelName } from '../src/store/registry.ts';
import { resolveModel } from '../src/store/resolve.ts';

/**
 * Before all tests: fetches the default model, and with LIMBIC_TEST_MODELS=all those of the other
 * architectures. What can't be fetched leaves its reason in the environment, and its tests are skipped.
 */
export default async function setup(): Promise<void> {
  const all = process.env['LIMBIC_TEST_MODELS'] === 'all';
  const names = all
    ? [defaultModelName, 'qwen2.5-coder-0.5b', 'gemma3-270m-base']
    : [defaultModelName];
  for (const name of names) {
    try {
      const { path } = await resolveModel(name);
      process.env[`LIMBIC_TEST_${name}`] = path;
    } catch (error) {
      console.log(
        `tests on ${name} are skipped: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}
