#!/usr/bin/env node
/** @file The entry of the program: finds the command, maps errors to one sentence and an exit code. */
import { LimbicError, NotFoundError, type ErrorCode } from '../errors.ts';
import { isReadOnly, writeError } from '../formats/whole-file.ts';
import { type Command, helpOf, parseCommandLine } from './command.ts';
import { commands } from './commands.ts';
import { limbicVersion } from './version.ts';

const exitCodes: Partial<Record<ErrorCode, number>> = {
  'invalid-input': 2,
  'not-found': 2,
  'bad-file': 2,
};
/** Exit status of a program that Ctrl-C ended. */
const interrupted = 130;

function overview(list: readonly Command[]): string {
  const width = Math.max(...list.map((command) => command.name.length)) + 2;
  return [
    'limbic: map, watch and steer emotion-like directions in language models',
    '',
    'Usage: limbic COMMAND [options]',
    '',
    ...list.map((command) => `  ${command.name.padEnd(width)}${command.summary}`),
    '',
    'limbic COMMAND --help shows options and examples. Start with: limbic demo',
    'The readings are of internal representations; nothing here shows that a model feels anything.',
  ].join('\n');
}

/** What a disk refused to take in one sentence, wherever it was met. */
function refused(error: unknown): unknown {
  const { code = '', syscall = '' } = Object(error) as NodeJS.ErrnoException;
  const isWrite =
    ['EROFS', 'ENOSPC', 'EDQUOT'].includes(code) ||
    syscall === 'mkdir' ||
    (isReadOnly(error) && ['rename', 'link', 'unlink', 'write'].includes(syscall));
  return isWrite ? writeError(error) : error;
}

function report(thrown: unknown, debug: boolean): number {
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    console.error('stopped');
    return interrupted;
  }
  if (debug) console.error(thrown);
  const error = refused(thrown);
  if (error instanceof LimbicError) {
    console.error(`limbic: ${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`);
    return exitCodes[error.code] ?? 1;
  }
  console.error(
    `limbic: unexpected: ${error instanceof Error ? error.message : String(error)} (--debug shows where)`,
  );
  return 1;
}

/** The command's help where the arguments ask for it, else null. */
function helpAskedFor(command: Command, args: readonly string[]): string | null {
  // What follows a bare -- belongs to somebody else's command.
  const own = args.slice(0, args.includes('--') ? args.indexOf('--') : args.length);
  if (!own.includes('--help') && !own.includes('-h')) return null;
  return helpOf(
    command,
    own.filter((arg) => !arg.startsWith('-')),
  );
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    console.log(overview(commands));
    return name === undefined ? 2 : 0;
  }
  if (name === '--version') {
    console.log(limbicVersion());
    return 0;
  }
  const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
  const debug = rest.slice(0, end).includes('--debug');
  const args = rest.filter((arg, i) => arg !== '--debug' || i > end);
  const stop = new AbortController();
  process.on('SIGINT', () => {
    if (stop.signal.aborted) process.exit(interrupted);
    stop.abort(new DOMException('stopped', 'AbortError'));
  });
  try {
    const command = commands.find((candidate) => candidate.name === name);
    if (command === undefined)
      throw new NotFoundError(
        'command',
        name,
        commands.map((c) => c.name),
      );
    const help = helpAskedFor(command, args);
    if (help !== null) {
      console.log(help);
      return 0;
    }
    const parsed = parseCommandLine(command, args);
    return (await command.run({ ...parsed, signal: stop.signal })) ?? 0;
  } catch (error) {
    return report(error, debug);
  }
}

// A reader that closes early (`limbic read ... | head`) is no fault.
process.stdout.on('error', () => process.exit(0));
process.exitCode = await main(process.argv.slice(2));
