/**
 * @file Where the turns of a run are in its file, so that a part of it is shown without reading all, and one that
 * grows is read on from where it was.
 */
import { z } from 'zod';

import { type RunDetail, type runPartSchema, type Turn, turnSchema } from '../api/lab.ts';
import type { RunLine } from '../store/run-lines.ts';
import type { StoredRun } from '../store/runs.ts';

/** A line that conversation-log.ts wrote; other kinds of runs have other lines. */
const recordSchema = turnSchema.extend({ type: z.literal('turn'), conversation: z.string() });
/** Enough of it to know whose it is, for the many lines that nobody looks at. */
const ownerSchema = z.object({ type: z.literal('turn'), conversation: z.string() });

/** Conversations that are told at once; a page can't list more. */
const mostConversations = 1000;
/** Turns and bytes of lines that are told at once; a turn is told even if it alone is more. */
const mostTurns = 1000;
const mostBytes = 4e6;
/** Runs whose places are remembered. */
const keptIndexes = 8;

type Place = Pick<RunLine, 'at' | 'bytes'>;

/** A turn and the conversation that it belongs to; null for a line that is none. */
export function turnOf(record: unknown): { conversation: string; turn: Turn } | null {
  const parsed = recordSchema.safeParse(record);
  if (!parsed.success) return null;
  const { conversation, type: _, ...turn } = parsed.data;
  return { conversation, turn };
}

/** The places of one run: 16 bytes a turn. */
class RunIndex {
  readonly #conversations = new Map<string, Place[]>();
  /** In the order in which they came. */
  readonly #names: string[] = [];
  #turns = 0;
  #end = 0;
  /** Two requests at once must not take the same lines twice. */
  #reading: Promise<void> = Promise.resolve();

  /** Takes what the run has got since the last time. */
  async follow(run: StoredRun): Promise<void> {
    const next = this.#reading.then(() => this.#readOn(run));
    this.#reading = next.catch(() => undefined);
    return next;
  }

  async #readOn(run: StoredRun): Promise<void> {
    for await (const { at, bytes, record } of run.lines(this.#end)) {
      this.#end = at + bytes + 1;
      const owner = ownerSchema.safeParse(record).data?.conversation;
      if (owner === undefined) continue;
      const places = this.#conversations.get(owner) ?? [];
      if (places.length === 0) {
        this.#conversations.set(owner, places);
        this.#names.push(owner);
      }
      places.push({ at, bytes });
      this.#turns += 1;
    }
  }

  /** What is told of the run. */
  part(
    run: StoredRun,
    { conversation, turn }: z.infer<typeof runPartSchema>,
  ): Pick<RunDetail, 'total' | 'conversations'> {
    const first = Math.floor((conversation ?? 0) / mostConversations) * mostConversations;
    const room = { turns: mostTurns, bytes: mostBytes };
    const conversations = this.#names.slice(first, first + mostConversations).map((name, i) => {
      const index = first + i;
      const places = this.#conversations.get(name) ?? [];
      const isWanted = conversation === undefined || conversation === index;
      const from = conversation === index ? Math.min(turn, places.length) : 0;
      const told = isWanted ? fitting(places, from, room) : [];
      const turns = run.recordsAt(told).flatMap((record) => turnOf(record)?.turn ?? []);
      return { name, index, count: places.length, from, turns };
    });
    return { total: { conversations: this.#names.length, turns: this.#turns }, conversations };
  }
}

/** The places from one on that there is room for, which it takes; the first one of all in any case. */
function fitting(
  places: readonly Place[],
  from: number,
  room: { turns: number; bytes: number },
): Place[] {
  const taken: Place[] = [];
  for (let i = from; i < places.length; i++) {
    const place = places[i];
    if (place === undefined || room.turns < 1) break;
    if (place.bytes > room.bytes && room.turns < mostTurns) {
      // What follows would not be the turns after these.
      room.turns = 0;
      break;
    }
    room.turns -= 1;
    room.bytes -= place.bytes;
    taken.push(place);
  }
  return taken;
}

/** The indexes of the runs that were looked at last. */
export class RunIndexes {
  readonly #kept = new Map<string, RunIndex>();

  /** A part of a run as it is now. */
  async part(
    run: StoredRun,
    wanted: z.infer<typeof runPartSchema>,
  ): Promise<Pick<RunDetail, 'total' | 'conversations'>> {
    const { id } = run.manifest;
    const index = this.#kept.get(id) ?? new RunIndex();
    this.#kept.delete(id);
    this.#kept.set(id, index);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > keptIndexes && oldest !== undefined) this.#kept.delete(oldest);
    try {
      await index.follow(run);
      return index.part(run, wanted);
    } catch (error) {
      // A file that was changed by hand is read anew the next time.
      this.#kept.delete(id);
      throw error;
    }
  }
}
