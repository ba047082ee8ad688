/**
 * @file From the names that the options give to the models of a study that talks: behind an API with a budget, or
 * in our engine with its vectors.
 */
import type { Model } from '../engine/engine.ts';
import type { LlamaModel } from '../engine/llama/model.ts';
import { EngineError, InvalidInputError } from '../errors.ts';
import { Budget, withBudget } from '../providers/budget.ts';
import type { ChatModel } from '../providers/chat-model.ts';
import { withFirstReplies } from '../providers/first-replies.ts';
import { chatWithLocal } from '../providers/local.ts';
import { formatModelName, type ModelName, parseModelName } from '../providers/model-name.ts';
import { type GivenPrices, parsePrices, priceOf } from '../providers/prices.ts';
import type { RemoteCounts, RemoteModel } from '../providers/remote.ts';
import { Turns } from '../providers/turns.ts';
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

/** Option of a study whose model runs here. */
export const reuseOption = {
  reuse: {
    type: 'boolean',
    summary:
      'keep what the engine has read of a conversation between its turns: about twice as fast, but replies then differ by rounding from run to run',
  },
} as const satisfies Record<string, Option>;

/** Models by their names, as a run keeps them. */
export interface ChatNames {
  readonly model: string;
  readonly judge?: string;
  readonly secondJudge?: string;
}

/** Judges that are open, and the account of what they and any other model of an API cost. */
export interface OpenModels extends AsyncDisposable {
  readonly judge: ChatModel | null;
  readonly secondJudge: ChatModel | null;
  readonly budget: Budget;
  /** The models that run here, by the names they were asked for. */
  readonly here: ReadonlyMap<string, Model>;
  /** Of all models behind an API together. */
  readonly counts: () => RemoteCounts;
  readonly data: ChatLab['data'];
  readonly signal: AbortSignal;
}

export interface OpenChatLab extends ChatLab, OpenModels {}

export interface OpenOptions {
  /**
   * Models behind an API are names only, which need no key: others ask them, and here their answers are read from
   * the run. @default false
   */
  readonly asksNothing?: boolean;
  /** The model under test is opened without its vectors. @default false */
  readonly talksOnly?: boolean;
  /** The model under test keeps conversations in its cache between turns. @default false */
  readonly reuse?: boolean;
  /** Shared with other runs. @default a new one of `--budget` */
  readonly budget?: Budget;
}

/** After Ctrl-C, what is paid for is waited for so long, in milliseconds. */
const grace = 5000;

/** Whether a model runs here. */
export function isLocalName(name: string): boolean {
  return parseModelName(name).provider === 'local';
}

/** Opens all models; the lab closes them. */
export async function openChatLab(
  names: ChatNames,
  context: Pick<Context, 'values' | 'signal'>,
  options: OpenOptions = {},
): Promise<OpenChatLab> {
  const opener = new Opener(context, options);
  try {
    const tested = parseModelName(names.model);
    const isRead = tested.provider === 'local' && options.talksOnly !== true;
    const local = isRead ? await opener.tested(tested.name) : null;
    const judges = await opener.judges(names);
    const chat = local?.chat ?? (await opener.plain(names.model));
    return {
      ...opener.opened([names.model, names.judge, names.secondJudge]),
      ...judges,
      chat,
      local,
    };
  } catch (error) {
    await opener.close();
    throw error;
  }
}

/** Opens the judges alone, for replies that are there already; what comes back closes them. */
export async function openJudges(
  names: Pick<ChatNames, 'judge' | 'secondJudge'>,
  context: Pick<Context, 'values' | 'signal'>,
): Promise<OpenModels> {
  const opener = new Opener(context, {});
  try {
    const judges = await opener.judges(names);
    return { ...opener.opened([names.judge, names.secondJudge]), ...judges };
  } catch (error) {
    await opener.close();
    throw error;
  }
}

/** Opens models one by one, a model that runs here once for each name, and closes them all. */
class Opener {
  readonly #context: Pick<Context, 'values' | 'signal'>;
  readonly #asksNothing: boolean;
  readonly #reuse: boolean;
  readonly #budget: Budget;
  readonly #prices: GivenPrices | undefined;
  readonly #width: number;
  readonly #owned: AsyncDisposable[] = [];
  readonly #remotes: RemoteModel[] = [];
  readonly #here = new Map<string, LlamaModel>();
  readonly #turns = new Turns();

  constructor(context: Pick<Context, 'values' | 'signal'>, options: OpenOptions) {
    const { values } = context;
    this.#context = context;
    this.#asksNothing = options.asksNothing ?? false;
    this.#reuse = options.reuse ?? false;
    this.#budget = options.budget ?? budgetOf(values);
    this.#prices = givenPrices(values);
    this.#width = wholeNumber(values, 'concurrency', { min: 1, max: 1000, fallback: 32 });
  }

  async remote(name: ModelName): Promise<ChatModel> {
    if (this.#asksNothing) return nameOnly(name);
    // Loading the SDK takes a third of a second, which other commands need not wait for.
    const { openRemote } = await import('../providers/remote.ts');
    const model = openRemote(name, { width: this.#width, grace });
    this.#owned.push(model);
    this.#remotes.push(model);
    return withFirstReplies(withBudget(model, this.#budget, priceOf(model.name, this.#prices)));
  }

  /** A model of our engine as the one under test. */
  async tested(name: string): Promise<NonNullable<ChatLab['local']>> {
    const { model, pack } = await openCalibrated(this.#named(name));
    this.#owned.push(model);
    this.#here.set(name, model);
    return { chat: chatWithLocal(model, { reuse: this.#reuse, turns: this.#turns }), pack };
  }

  async judges({
    judge,
    secondJudge,
  }: Pick<ChatNames, 'judge' | 'secondJudge'>): Promise<Pick<ChatLab, 'judge' | 'secondJudge'>> {
    return {
      judge: judge === undefined ? null : await this.plain(judge),
      secondJudge: secondJudge === undefined ? null : await this.plain(secondJudge),
    };
  }

  /** What all labs have, without the models themselves. `names` as they were asked for. */
  opened(names: readonly (string | undefined)[]): Omit<OpenModels, 'judge' | 'secondJudge'> {
    const here = new Map<string, Model>();
    for (const name of names) {
      const model = name === undefined ? undefined : this.#here.get(parseModelName(name).name);
      if (name !== undefined && model !== undefined && isLocalName(name)) here.set(name, model);
    }
    return {
      here,
      budget: this.#budget,
      counts: () => sumOf(this.#remotes),
      data: dataFile,
      signal: this.#context.signal,
      [Symbol.asyncDispose]: () => this.close(),
    };
  }

  async close(): Promise<void> {
    for (const model of this.#owned.splice(0).toReversed()) await model[Symbol.asyncDispose]();
  }

  /** A model that is only talked to. */
  async plain(name: string): Promise<ChatModel> {
    const parsed = parseModelName(name);
    if (parsed.provider !== 'local') return this.remote(parsed);
    let model = this.#here.get(parsed.name);
    if (model === undefined) {
      model = await openNamedModel(this.#named(parsed.name));
      this.#owned.push(model);
      this.#here.set(parsed.name, model);
    }
    return chatWithLocal(model, { reuse: true, turns: this.#turns });
  }

  #named(model: string): Pick<Context, 'values' | 'signal'> {
    const { signal, values } = this.#context;
    return { signal, values: { ...values, model } };
  }
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

/** The budget that `--budget` sets; without it one that has no limit. Throws InvalidInputError. */
export function budgetOf(values: Context['values']): Budget {
  const value = text(values, 'budget');
  if (value === undefined) return new Budget(Infinity);
  const dollars = Number(value.replace(/^\$/, ''));
  if (value.trim() === '' || !(dollars > 0))
    throw new InvalidInputError(`--budget: expected dollars above 0, got "${value}"`);
  return new Budget(dollars);
}
