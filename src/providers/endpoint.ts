/**
 * @file Where requests to a provider go and what lets them in. Keys come from the environment only and stay in this
 * file's hands: whoever shows a text that a provider had a part in runs it through `redact` first.
 */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { wrapLanguageModel } from 'ai';

import { InvalidInputError } from '../errors.ts';
import { limitAnswer } from '../formats/limited-answer.ts';
import { type ApiProvider, checkedUrl, type ModelName } from './model-name.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A model of the SDK. */
export type SdkModel = Parameters<typeof wrapLanguageModel>[0]['model'];

export interface Endpoint {
  readonly model: SdkModel;
  /** The text without the key, however it got in. */
  readonly redact: (text: string) => string;
  /** What the reader should know of this endpoint before the first request; mostly nothing. */
  readonly warnings: readonly string[];
}

const keyVariables: Readonly<Record<ApiProvider, readonly string[]>> = {
  openai: ['OPENAI_API_KEY'],
  anthropic: ['ANTHROPIC_API_KEY'],
  google: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY'],
  compatible: ['COMPATIBLE_API_KEY'],
};

/** Names of the environment variables that may hold a provider's key; the first that is set is taken. */
export function keyVariablesOf(provider: ApiProvider): readonly string[] {
  return keyVariables[provider];
}

/**
 * The SDK's model with its key and address. Sends nothing. Throws InvalidInputError when there is no key or the
 * address is none.
 */
export function openEndpoint(
  { provider, name, url }: ModelName & { readonly provider: ApiProvider },
  env: Environment,
): Endpoint {
  const apiKey = keyOf(provider, env);
  const baseURL = url ?? baseUrlOf(provider, env);
  const warnings =
    provider === 'compatible' && apiKey !== '' && isReadableOnTheWay(baseURL)
      ? [`the key goes to ${baseURL} without encryption`]
      : [];
  return {
    model: sdkModel(provider, name, { apiKey, baseURL }),
    redact: redactor(apiKey),
    warnings,
  };
}

function sdkModel(
  provider: ApiProvider,
  name: string,
  { apiKey, baseURL }: { apiKey: string; baseURL: string },
): SdkModel {
  const access = { apiKey, baseURL, fetch: fetchHere };
  switch (provider) {
    case 'openai':
      // Chat completions and not responses: they take a seed, nothing of them is kept at the provider unless asked,
      // and servers that only look like OpenAI's know them too.
      return createOpenAI(access).chat(name);
    case 'anthropic':
      return createAnthropic(access).languageModel(name);
    case 'google':
      return createGoogleGenerativeAI(access).languageModel(name);
    case 'compatible':
      return createOpenAICompatible({
        name: 'compatible',
        baseURL,
        fetch: fetchHere,
        supportsStructuredOutputs: true,
        ...(apiKey === '' ? {} : { apiKey }),
      }).chatModel(name);
  }
}

/**
 * Fetch that does not go elsewhere: a redirect would take keys that are in headers of their own with it. Its answers
 * have an end.
 */
const fetchHere: typeof fetch = async (input, init) =>
  limitAnswer(await fetch(input, { ...init, redirect: 'manual' }));

function keyOf(provider: ApiProvider, env: Environment): string {
  const variables = keyVariablesOf(provider);
  const key = variables.map((variable) => env[variable]?.trim() ?? '').find((text) => text !== '');
  if (key === undefined) {
    if (provider === 'compatible') return '';
    throw new InvalidInputError(
      `${provider}: expected a key in ${variables.join(' or ')}, got none`,
      {
        hint: `set ${variables[0]} in the environment, or take a model that runs here (local:NAME)`,
      },
    );
  }
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new InvalidInputError(
      `${provider}: expected a key of plain characters without spaces in ${variables.join(' or ')}, got others`,
    );
  }
  return key;
}

function baseUrlOf(provider: ApiProvider, env: Environment): string {
  const read = (variable: string, usual: string): string => {
    const text = env[variable]?.trim() ?? '';
    return text === '' ? usual : checkedUrl(variable, text);
  };
  switch (provider) {
    case 'openai':
      return read('OPENAI_BASE_URL', 'https://api.openai.com/v1');
    case 'anthropic': {
      // Anthropic's own tools take the variable without the version, the SDK with it.
      const url = read('ANTHROPIC_BASE_URL', 'https://api.anthropic.com/v1');
      return url.endsWith('/v1') ? url : `${url}/v1`;
    }
    case 'google':
      return read('GOOGLE_BASE_URL', 'https://generativelanguage.googleapis.com/v1beta');
    case 'compatible':
      throw new InvalidInputError('model: expected compatible:URL#NAME, got no address');
  }
}

function isReadableOnTheWay(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

function redactor(key: string): (text: string) => string {
  if (key === '') return (text) => text;
  const forms = [...new Set([key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])];
  return (text) => forms.reduce((result, form) => result.replaceAll(form, '[key]'), text);
}
