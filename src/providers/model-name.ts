/**
 * @file What a model that is talked to is called: `openai:NAME`, `anthropic:NAME`, `google:NAME`,
 * `compatible:URL#NAME`, `local:NAME`, or a plain name, so that one flag serves our engine and every API.
 */
import { InvalidInputError } from '../errors.ts';

export type ApiProvider = 'openai' | 'anthropic' | 'google' | 'compatible';

export interface ModelName {
  readonly provider: ApiProvider | 'local';
  /** As the provider knows it; for `local` whatever `resolveModel` takes, `hf:OWNER/REPO` included. */
  readonly name: string;
  /** Only of `compatible`: where `/chat/completions` is, without a slash at the end. */
  readonly url?: string;
}

/**
 * Reads a model's name. All that has no API provider before its first colon is local, as `hf:` and `ollama:` are
 * names that our engine knows. Throws InvalidInputError.
 */
export function parseModelName(text: string): ModelName {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(':');
  const provider = trimmed.slice(0, Math.max(0, colon));
  const rest = trimmed.slice(colon + 1).trim();
  switch (provider) {
    case 'openai':
    case 'anthropic':
    case 'google':
      return { provider, name: named(provider, rest) };
    case 'compatible':
      return compatible(rest);
    case 'local':
      return { provider, name: named(provider, rest) };
    default:
      return { provider: 'local', name: named('local', trimmed) };
  }
}

/** The name in full, as `parseModelName` takes it and results show it. */
export function formatModelName({ provider, name, url }: ModelName): string {
  return url === undefined ? `${provider}:${name}` : `${provider}:${url}#${name}`;
}

/**
 * Checks an address that requests go to, and takes slashes off its end. `what` begins the error. The address is in
 * results and messages, so that nothing secret may be in it. Throws InvalidInputError.
 */
export function checkedUrl(what: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    // Not shown: what can't be read as an address may still have a password in it.
    throw new InvalidInputError(`${what}: expected an http or https address, got something else`, {
      hint: 'write it in full, as in http://127.0.0.1:8080/v1',
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInputError(`${what}: expected an address without user and password, got one`, {
      hint: 'put the key in the environment instead (COMPATIBLE_API_KEY for compatible:)',
    });
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InvalidInputError(`${what}: expected an address without ? and # parts, got one`);
  }
  return url.href.replace(/\/+$/, '');
}

function compatible(rest: string): ModelName {
  const hash = rest.indexOf('#');
  if (hash <= 0) {
    throw new InvalidInputError(
      'model: expected compatible:URL#NAME, got no # with a name after the address',
      { hint: 'for example compatible:http://127.0.0.1:8080/v1#qwen3' },
    );
  }
  const url = checkedUrl('model', rest.slice(0, hash));
  return { provider: 'compatible', name: named('compatible', rest.slice(hash + 1)), url };
}

function named(provider: string, name: string): string {
  if (name.trim() === '') {
    throw new InvalidInputError(`model: expected a name after ${provider}:, got none`);
  }
  return name.trim();
}
