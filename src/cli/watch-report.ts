/**
 * @file What `limbic watch` tells at its end: numbers over all tokens, and a page. The run is read once, one line in
 * memory at a time; a page of a long run holds its first and its last turns, since a browser can't show them all.
 */
import type { SharedConversation, Turn } from '../api/lab.ts';
import { signed } from '../charts/terminal.ts';
import { turnOf } from '../server/run-index.ts';
import type { StoredRun } from '../store/runs.ts';
import { scaleOf } from '../vectors/calibration.ts';
import type { VectorPack } from '../vectors/pack.ts';

interface Shown {
  readonly pack: VectorPack;
  readonly shown: readonly string[];
}

interface Summary {
  readonly conversations: number;
  readonly replies: number;
  readonly tokens: number;
  readonly events: number;
  /** Standard deviations above neutral text, over all tokens of the replies; null without tokens. */
  readonly emotions: readonly { name: string; mean: number | null; p95: number | null }[];
}

/** Size of the turns as JSON that the page takes from either end of a long run. */
const endBytes = 2e6;

interface KeptTurn {
  readonly conversation: string;
  readonly turn: Turn;
  readonly bytes: number;
}

/** The numbers and the page's conversation of a run. */
export async function reportOf(
  run: StoredRun,
  of: Shown,
): Promise<{ summary: Summary; shared: SharedConversation }> {
  const { pack, shown } = of;
  const scale = scaleOf(pack, shown);
  const counts = new Counts(scale);
  const ends = new Ends();
  const names = new Set<string>();
  for await (const { bytes, record } of run.lines(0)) {
    const found = turnOf(record);
    if (found === null) continue;
    names.add(found.conversation);
    ends.add({ ...found, bytes });
    counts.add(found.turn);
  }
  const conversations = names.size === 1 ? '1 conversation' : `${names.size} conversations`;
  return {
    summary: { conversations: names.size, ...counts.summary() },
    shared: {
      title: `limbic watch, ${conversations}${ends.left === 0 ? '' : ', the first and last turns of a long run'}`,
      emotions: [...shown],
      turns: ends.turns(),
      model: pack.modelName,
      layer: pack.bestLayer,
      scale,
      date: new Date().toISOString(),
    },
  };
}

/** What is counted of the replies. */
class Counts {
  readonly #scale: SharedConversation['scale'];
  readonly #spreads: ReadonlyMap<string, Spread>;
  #replies = 0;
  #tokens = 0;
  #events = 0;

  constructor(scale: SharedConversation['scale']) {
    this.#scale = scale;
    this.#spreads = new Map(Object.keys(scale).map((name) => [name, new Spread()]));
  }

  add({ role, events = [], tokens = [] }: Turn): void {
    if (role !== 'assistant') return;
    this.#replies += 1;
    this.#events += events.length;
    this.#tokens += tokens.length;
    for (const { readouts } of tokens)
      for (const [name, spread] of this.#spreads) {
        const { median = NaN, spread: unit = NaN } = this.#scale[name] ?? {};
        spread.add(((readouts[name] ?? NaN) - median) / unit);
      }
  }

  summary(): Omit<Summary, 'conversations'> {
    const hasTokens = this.#tokens > 0;
    return {
      replies: this.#replies,
      tokens: this.#tokens,
      events: this.#events,
      emotions: [...this.#spreads].map(([name, spread]) => ({
        name,
        mean: hasTokens ? spread.mean : null,
        p95: hasTokens ? spread.quantile(0.95) : null,
      })),
    };
  }
}

/** The first and the last turns of many. */
class Ends {
  readonly #first: KeptTurn[] = [];
  #last: KeptTurn[] = [];
  /** How many at the beginning of those are not kept any more. */
  #gone = 0;
  #firstBytes = 0;
  #lastBytes = 0;
  /** Turns in between, which are not kept. */
  left = 0;

  add(kept: KeptTurn): void {
    if (this.#last.length === 0 && this.#firstBytes + kept.bytes <= endBytes) {
      this.#first.push(kept);
      this.#firstBytes += kept.bytes;
      return;
    }
    this.#last.push(kept);
    this.#lastBytes += kept.bytes;
    while (this.#lastBytes > endBytes && this.#gone < this.#last.length) {
      this.#lastBytes -= this.#last[this.#gone]?.bytes ?? 0;
      this.#gone += 1;
      this.left += 1;
    }
    // Not each time, as it copies what stays.
    if (this.#gone > 1000) {
      this.#last = this.#last.slice(this.#gone);
      this.#gone = 0;
    }
  }

  /** By conversation, in the order in which they came; where turns are left out, a note says so. */
  turns(): Turn[] {
    const last = this.#last.slice(this.#gone);
    if (this.left === 0) return grouped([...this.#first, ...last]);
    const note: Turn = {
      role: 'system',
      content: `[limbic: ${this.left} turns left out here; events.jsonl of the run has them]`,
    };
    return [...grouped(this.#first), note, ...grouped(last)];
  }
}

function grouped(kept: readonly KeptTurn[]): Turn[] {
  const conversations = new Map<string, Turn[]>();
  for (const { conversation, turn } of kept) {
    const turns = conversations.get(conversation) ?? [];
    if (turns.length === 0) conversations.set(conversation, turns);
    turns.push(turn);
  }
  return [...conversations.values()].flat();
}

/** Width of a bin in standard deviations: less than what is printed. */
const binWidth = 0.002;
/** Readings beyond so many standard deviations count as that far away. */
const farthest = 64;

/** Mean and quantiles of numbers that are not kept; a quantile is off by at most half a bin. */
class Spread {
  readonly #bins = new Uint32Array(Math.round((2 * farthest) / binWidth));
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    this.#count += 1;
    if (Number.isNaN(value)) return;
    const bin = Math.floor((Math.max(-farthest, Math.min(farthest, value)) + farthest) / binWidth);
    const inside = Math.min(bin, this.#bins.length - 1);
    this.#bins[inside] = (this.#bins[inside] ?? 0) + 1;
  }

  get mean(): number {
    return this.#sum / this.#count;
  }

  quantile(share: number): number {
    const rank = share * (this.#count - 1);
    const low = this.#at(Math.floor(rank));
    return low + (this.#at(Math.ceil(rank)) - low) * (rank - Math.floor(rank));
  }

  /** About the value of this rank, from 0. */
  #at(rank: number): number {
    let below = 0;
    for (const [bin, count] of this.#bins.entries()) {
      below += count;
      if (below > rank) return (bin + 0.5) * binWidth - farthest;
    }
    return NaN;
  }
}

/** The numbers for people. */
export function inWords(
  { conversations, replies, tokens, events, emotions }: Summary,
  path: string,
): string {
  const rows = emotions.map(({ name, mean: centre, p95 }) =>
    centre === null || p95 === null
      ? `  ${name.padEnd(14)} no tokens`
      : `  ${name.padEnd(14)} mean ${signed(centre, 1)}, 95th percentile ${signed(p95, 1)}`,
  );
  return [
    `limbic: ${conversations} conversations, ${replies} replies, ${tokens} tokens, ${events} events; standard deviations above neutral text:`,
    ...rows,
    `report: ${path}/report.html`,
  ].join('\n');
}
