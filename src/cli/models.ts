/** @file `limbic models` and `limbic fetch`. */
import { InvalidInputError } from '../errors.ts';
import { listModels } from '../store/resolve.ts';
import { type Command, jsonOption } from './command.ts';
import { withFetchProgress } from './open-model.ts';

export const modelsCommand: Command = {
  name: 'models',
  summary: 'list the models that limbic knows and those that are on this disk',
  usage: '[--json]',
  options: jsonOption,
  examples: ['limbic models', 'limbic models --json'],
  run: async ({ values }) => {
    const models = listModels();
    if (values['json'] === true) {
      console.log(JSON.stringify(models, null, 2));
      return;
    }
    const width = Math.max(...models.map(({ name }) => name.length));
    for (const { name, title, bytes, path } of models) {
      const size = `${(bytes / 1e6).toFixed(0)} MB`.padStart(9);
      console.log(`${path === null ? '  ' : '✓ '}${name.padEnd(width)}${size}  ${title}`);
    }
    console.log(
      '\n✓ is on this disk; limbic fetch NAME fetches the others. A path or hf:OWNER/REPO[:FILE] works too.',
    );
  },
};

export const fetchCommand: Command = {
  name: 'fetch',
  summary: 'fetch a model, check its hash, and keep it',
  usage: 'NAME|hf:OWNER/REPO[:FILE]',
  options: jsonOption,
  takesArguments: true,
  examples: ['limbic fetch smollm2-135m', 'limbic fetch qwen2.5-coder-0.5b'],
  run: async ({ positionals, values, signal }) => {
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0)
      throw new InvalidInputError(`fetch: expected one model, got ${positionals.length}`, {
        hint: 'limbic models lists them',
      });
    const model = await withFetchProgress(name, signal);
    console.log(
      values['json'] === true ? JSON.stringify(model) : `${model.name} is at ${model.path}`,
    );
  },
};
