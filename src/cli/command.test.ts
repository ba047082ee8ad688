import { expect, test } from 'vitest';

import { list, parseCommandLine } from './command.ts';
import { commands } from './commands.ts';

/** What is said of a command's arguments. */
function refusal(...[name, ...args]: readonly string[]): string {
  const command = commands.find((candidate) => candidate.name === name);
  try {
    parseCommandLine(command!, args);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a command that takes options only refuses what else it is given, and does not pass it over', () => {
  expect(refusal('chat', 'qwen2.5-coder-0.5b')).toBe(
    'chat: expected options only, got "qwen2.5-coder-0.5b"',
  );
  expect(refusal('demo', '--html', 'out.html', 'x')).toMatch(/options only, got "x"/);
  expect(refusal('demo', '--html', 'out.html')).toBe('');
  expect(refusal('demo', '--nope')).toMatch(/^demo: Unknown option '--nope'/);
  expect(refusal('watch', '--', 'node', 'agent.js')).toBe('');
});

test('list takes names by commas, whatever blanks are between them', () => {
  expect(list({ emotions: 'calm, sad,' }, 'emotions')).toEqual(['calm', 'sad']);
  expect(list({}, 'emotions')).toBeUndefined();
  expect(() => list({ emotions: ' , ' }, 'emotions')).toThrow(
    '--emotions: expected names, got " , "',
  );
});
