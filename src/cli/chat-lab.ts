/**
 * @file From the names that the options give to the models of a study that talks: behind an API with a budget, or
 * in our engine with its vectors.
 */
import type { Model } from '../engine/engine.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { EngineError, InvalidInputError } from '../errors.ts';
import { Budget, withBudget } from '../providers/budget.ts';
import type { ChatModel } from '../providers/chat-model.ts';
import { chatWithLocal } from '../providers/local.ts';
import { formatModelName, type ModelName, parseModelName } from '../providers/model-name.ts';
import { type GivenPrices, parsePrices, priceOf } from '../providers/prices.ts';
import type { RemoteCounts, RemoteModel } from '../providers/remote.ts';
import type { ChatLab } from '../studies/chat-study.ts';
import { openCalibrated } from './calibrate.ts';
import { type Context, type Option, text, wholeNumber } from './command.ts';
import { dataFile, openNamedModel } from './open-model.ts';

/** Options of commands that talk to models behind an API. */
export const chatOptions = {
  judge: {
    type: 'string',
    value: 'NAME',
    summary:
      'model that scores replies: openai:NAME, anthropic:, google:, compatible:URL#NAME, local:',
  },
  'second-judge': {
    type: 'string',
    value: 'NAME',
    summary: 'another one that scores a share of them again',
  },
  budget: {
    type: 'string',
    value: 'USD',
    summary: 'most that requests to APIs may cost together, in US dollars; never exceeded',
  },
  price: {
    type: 'string',
    value: 'R,W',
    summary:
      'dollars per million tokens read and written, or NAME=R,W;NAME=R,W (default: list prices)',
  },
  concurrency: {
    type: 'string',
    value: 'N',
    summary: 'most requests at once to one API (default 32); limbic finds the pace itself',
  },
} as const satisfies Record<string, Option>;

/** Models by their names, as a run keeps them. */
export interface ChatNames {
  readonly model: string;
  readonly judge?: string;
  readonly secondJudge?: string;
}

export interface OpenChatLab extends ChatLab, AsyncDisposable {
  readonly budget: Budget;
  /** The models that run here, by the names they were asked for. */
  readonly here: ReadonlyMap<string, Model>;
  /** Of all models behind an API together. */
  readonly counts: () => RemoteCounts;
}

/** Whether a model runs here. */
export function isLocalName(name: string): boolean {
  return parseModelName(name).provider === 'local';
}

interface Opening {
  /** Models behind an API are names only. */
  readonly asksNothing: boolean;
  /** The model under test is opened without its vectors. */
  readonly talksOnly: boolean;
}

/**
 * Opens all models; the lab closes them. With `asksNothing` models behind an API are names only, which need no key:
 * others ask them, and here their answers are read from the run.
 */
export async function openChatLab(
  names: ChatNames,
  context: Pick<Context, 'values' | 'signal'>,
  { asksNothing = false, talksOnly = false }: Partial<Opening> = {},
): Promise<OpenChatLab> {
  const owned: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const model of owned.splice(0).toReversed()) await model[Symbol.asyncDispose]();
  };
  try {
    return {
      ...(await openModels(names, { ...context, asksNothing, talksOnly }, owned)),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens all models and adds each to `owned`. */
async function openModels(
  names: ChatNames,
  { values, signal, asksNothing, talksOnly }: Pick<Context, 'values' | 'signal'> & Opening,
  owned: AsyncDisposable[],
): Promise<Omit<OpenChatLab, typeof Symbol.asyncDispose>> {
  const budget = new Budget(budgetOf(text(values, 'budget')));
  const prices = givenPrices(values);
  const width = wholeNumber(values, 'concurrency', { min: 1, max: 1000, fallback: 32 });
  const remotes: RemoteModel[] = [];
  const opened = new Map<string, LlamaModel>();

  const remote = async (name: ModelName): Promise<ChatModel> => {
    if (asksNothing) return nameOnly(name);
    // Loading the SDK takes a third of a second, which other commands need not wait for.
    const { openRemote } = await import('../providers/remote.ts');
    const model = openRemote(name, { width });
    owned.push(model);
    remotes.push(model);
    return withBudget(model, budget, priceOf(model.name, prices));
  };
  const plainly = async (name: string): Promise<ChatModel> => {
    const parsed = parseModelName(name);
    if (parsed.provider !== 'local') return remote(parsed);
    let model = opened.get(parsed.name);
    if (model === undefined) {
      model = await openNamedModel({ signal, values: { ...values, model: parsed.name } });
      owned.push(model);
      opened.set(parsed.name, model);
    }
    return chatWithLocal(model, { reuse: true });
  };

  const tested = parseModelName(names.model);
  let local: ChatLab['local'] = null;
  if (tested.provider === 'local' && !talksOnly) {
    const at = { signal, values: { ...values, model: tested.name } };
    const { model, pack } = await openCalibrated(at);
    owned.push(model);
    opened.set(tested.name, model);
    local = { chat: chatWithLocal(model), pack };
  }
  const chat = local?.chat ?? (await plainly(names.model));
  const [judge, secondJudge] = [
    names.judge === undefined ? null : await plainly(names.judge),
    names.secondJudge === undefined ? null : await plainly(names.secondJudge),
  ];
  const here = new Map<string, Model>();
  for (const name of [names.model, names.judge, names.secondJudge]) {
    const model = name === undefined ? undefined : opened.get(parseModelName(name).name);
    if (name !== undefined && model !== undefined && isLocalName(name)) here.set(name, model);
  }
  return {
    chat,
    judge,
    secondJudge,
    local,
    here,
    data: dataFile,
    signal,
    budget,
    counts: () => sumOf(remotes),
  };
}

function nameOnly(model: ModelName): ChatModel {
  const name = formatModelName(model);
  return {
    name,
    width: 32,
    reply: () => Promise.reject(new EngineError(`${name}: expected its answers in the run`)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What `--price` says; undefined without it. */
export function givenPrices(values: Context['values']): GivenPrices | undefined {
  const given = text(values, 'price');
  return given === undefined ? undefined : parsePrices(given);
}

function sumOf(models: readonly RemoteModel[]): RemoteCounts {
  const sum = { requests: 0, retries: 0, rateLimited: 0, failed: 0, inFlight: 0, limit: 0 };
  for (const { counts } of models)
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name];
  return sum;
}

function budgetOf(value: string | undefined): number {
  if (value === undefined) return Infinity;
  const dollars = Number(value.replace(/^\$/, ''));
  if (value.trim() === '' || !(dollars > 0))
    throw new InvalidInputError(`--budget: expected dollars above 0, got "${value}"`);
  return dollars;
}
