import { expect, test } from 'vitest';

import { InvalidInputError } from '../errors.ts';
import { formatModelName, parseModelName } from './model-name.ts';

test.each([
  ['openai:gpt-4.1-mini', { provider: 'openai', name: 'gpt-4.1-mini' }],
  ['anthropic:claude-haiku-4-5', { provider: 'anthropic', name: 'claude-haiku-4-5' }],
  ['google:gemini-3.5-flash', { provider: 'google', name: 'gemini-3.5-flash' }],
  ['local:smollm2-135m', { provider: 'local', name: 'smollm2-135m' }],
  ['smollm2-135m', { provider: 'local', name: 'smollm2-135m' }],
  ['hf:owner/repo:file.gguf', { provider: 'local', name: 'hf:owner/repo:file.gguf' }],
  ['ollama:qwen3:0.6b', { provider: 'local', name: 'ollama:qwen3:0.6b' }],
  ['C:\\models\\x.gguf', { provider: 'local', name: 'C:\\models\\x.gguf' }],
  ['openai:ft:gpt-4.1:me', { provider: 'openai', name: 'ft:gpt-4.1:me' }],
  [
    'compatible:http://127.0.0.1:8080/v1/#org/qwen3:8b#x',
    { provider: 'compatible', name: 'org/qwen3:8b#x', url: 'http://127.0.0.1:8080/v1' },
  ],
])('%s', (text, expected) => {
  expect(parseModelName(text)).toEqual(expected);
});

test.each(['openai:a', 'compatible:https://example.com/v1#b', 'local:c'])(
  '%s reads back as it was',
  (text) => {
    expect(formatModelName(parseModelName(text))).toBe(text);
  },
);

test.each([
  ['', /expected a name/],
  ['openai:', /expected a name after openai:, got none/],
  ['compatible:http://127.0.0.1/v1', /expected compatible:URL#NAME/],
  ['compatible:#x', /expected compatible:URL#NAME/],
  ['compatible:http://127.0.0.1/v1#', /expected a name after compatible:/],
  ['compatible:ftp://example.com/v1#x', /expected an http or https address/],
  ['compatible:not an address#x', /expected an http or https address/],
  ['compatible:https://me:secret-word@example.com/v1#x', /without user and password/],
  ['compatible:https://example.com/v1?key=secret-word#x', /without \? and # parts/],
])('"%s" is refused', (text, message) => {
  expect(() => parseModelName(text)).toThrow(InvalidInputError);
  expect(() => parseModelName(text)).toThrow(message);
  try {
    parseModelName(text);
  } catch (error) {
    expect(String(error)).not.toContain('secret-word');
  }
});
