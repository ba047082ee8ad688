/** @file The shape of a command, its help, and its arguments. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

import { InvalidInputError } from '../errors.ts';

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Shown in the help, e.g. `FILE`. */
  readonly value?: string;
  readonly summary: string;
}

export interface Values {
  readonly [name: string]: string | boolean | undefined;
}

export interface Context {
  readonly values: Values;
  readonly positionals: readonly string[];
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What follows `limbic NAME` in the usage line. */
  readonly usage: string;
  readonly description?: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Takes arguments beside its options, and checks them itself. @default false */
  readonly takesArguments?: boolean;
  readonly examples: readonly string[];
  /** More help when the command has arguments beside `--help`. */
  readonly helpFor?: (positionals: readonly string[]) => string;
  readonly run: (context: Context) => Promise<number | void>;
}

/** Options that all commands which open a model share. */
export const modelOptions = {
  model: {
    type: 'string',
    short: 'm',
    value: 'NAME',
    summary:
      'model: a name of `limbic models`, a .gguf file, or hf:OWNER/REPO[:FILE] (default smollm2-135m)',
  },
  context: { type: 'string', value: 'N', summary: 'positions in the context (default 4096)' },
  threads: {
    type: 'string',
    value: 'N',
    summary: 'threads (default: as measured on first use, kept in threads.json)',
  },
  'gpu-layers': {
    type: 'string',
    value: 'N',
    summary: 'blocks on the graphics card, -1 for all (default), 0 for none',
  },
  library: {
    type: 'string',
    value: 'DIR',
    summary: 'folder of a llama.cpp that you built yourself',
  },
  rpc: {
    type: 'string',
    value: 'HOST:PORT,…',
    summary: 'other machines that compute blocks, with --library (docs/scale.md)',
  },
} as const satisfies Record<string, Option>;

/** The option of commands that read with vectors. */
export const packOption = {
  pack: { type: 'string', value: 'FILE', summary: 'vector pack' },
} as const satisfies Record<string, Option>;

export const jsonOption = {
  json: { type: 'boolean', summary: 'print the result as JSON' },
} as const satisfies Record<string, Option>;

/**
 * Parses a command's arguments. An unknown or incomplete option is an InvalidInputError, and an argument that the
 * command would not look at.
 */
export function parseCommandLine(
  command: Command,
  argv: readonly string[],
): Omit<Context, 'signal'> {
  const options: NonNullable<ParseArgsConfig['options']> = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const [name, { type, short }] of Object.entries(command.options)) {
    options[name] = short === undefined ? { type } : { type, short };
  }
  const hint = `limbic ${command.name} --help lists the options`;
  const { values, positionals } = parsed(command, { args: [...argv], options }, hint);
  if (positionals.length > 0 && command.takesArguments !== true)
    throw new InvalidInputError(
      `${command.name}: expected options only, got ${JSON.stringify(positionals[0])}`,
      { hint },
    );
  return { values, positionals };
}

function parsed(
  { name }: Command,
  config: Pick<ParseArgsConfig, 'args' | 'options'>,
  hint: string,
): Omit<Context, 'signal'> {
  try {
    return parseArgs({ ...config, allowPositionals: true });
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split(/\.\s/)[0] ?? '') : String(cause);
    throw new InvalidInputError(`${name}: ${message}`, { cause, hint });
  }
}

/** The value of a text option, or undefined. */
export function text(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * The names of an option, by commas and without blanks; undefined without the option. Throws InvalidInputError for
 * one that names nothing.
 */
export function list(values: Values, name: string): string[] | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  const names = value.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
  if (names.length === 0) throw new InvalidInputError(`--${name}: expected names, got "${value}"`);
  return names;
}

/** A whole number within limits, or the fallback; anything else is an InvalidInputError. */
export function wholeNumber(
  values: Values,
  name: string,
  limits: { min: number; max: number; fallback: number },
): number {
  const value = text(values, name);
  if (value === undefined) return limits.fallback;
  const number = Number(value);
  if (
    value.trim() === '' ||
    !Number.isInteger(number) ||
    number < limits.min ||
    number > limits.max
  ) {
    throw new InvalidInputError(
      `--${name}: expected a whole number from ${limits.min} to ${limits.max}, got "${value}"`,
    );
  }
  return number;
}

/** Help of one command, in the order usage, what it does, options, examples, and more on its arguments. */
export function helpOf(command: Command, positionals: readonly string[] = []): string {
  const more = command.helpFor?.(positionals) ?? '';
  const rows = Object.entries(command.options).map(([name, option]) => {
    const short = option.short === undefined ? '    ' : `-${option.short}, `;
    return [
      `  ${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`,
      option.summary,
    ] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  return [
    `limbic ${command.name}: ${command.summary}`,
    '',
    `Usage: limbic ${command.name} ${command.usage}`.trimEnd(),
    ...(command.description === undefined ? [] : ['', command.description]),
    ...(rows.length === 0
      ? []
      : ['', 'Options:', ...rows.map(([left, right]) => left.padEnd(width) + right)]),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    ...(more === '' ? [] : ['', more]),
  ].join('\n');
}
