/**
 * @file Log-probabilities of given continuations over any backend. Requests in a row that begin alike, as
 * the answers to one question or several questions about one conversation do, share the positions of their
 * common beginning: they are computed once and copied.
 */
import { InvalidInputError } from '../errors.ts';
import { logSumExp } from '../math/kernels.ts';
import type { Backend } from './backend.ts';
import type { CallOptions, ScoreRequest } from './engine.ts';
import { assertFits, breathe, withSteering } from './runner.ts';

/** Shorter common beginnings are not worth a copy. */
const shortestShared = 16;

/** A logit that is wanted: of `token`, into place `k` of the result of request `request`. */
interface Wish {
  readonly request: number;
  readonly k: number;
  readonly token: number;
}

/** One sequence to feed, for all requests that need the same tokens. */
interface Path {
  readonly tokens: Int32Array;
  /** By position. */
  readonly wishes: Map<number, Wish[]>;
  /** First position with a wish. */
  first: number;
}

/** Log-probabilities of continuations; see Model.score. */
export async function score(
  backend: Backend,
  requests: readonly ScoreRequest[],
  options: CallOptions,
): Promise<Float32Array[]> {
  const results = requests.map((request) => new Float32Array(request.continuation.length));
  const paths = pathsOf(requests);
  for (const { tokens } of paths) assertFits(backend, tokens);
  const fill = (wish: Wish, logits: Float32Array, sum: number): void => {
    const result = results[wish.request];
    if (result !== undefined) result[wish.k] = (logits[wish.token] ?? -Infinity) - sum;
  };
  await withSteering(backend, options, async () => {
    let done = 0;
    for (const { shared, members } of groupsOf(paths)) {
      await feedGroup(backend, { shared, members, fill, signal: options.signal });
      done += members.reduce((sum, path) => sum + requestsOf(path), 0);
      options.onProgress?.(done);
    }
  });
  return results;
}

/** Requests whose continuation starts here; several when their tokens but the last are the same. */
function requestsOf({ wishes }: Path): number {
  return new Set([...wishes.values()].flat().map(({ request }) => request)).size;
}

/** What to feed for each request, the same tokens once. */
function pathsOf(requests: readonly ScoreRequest[]): Path[] {
  const byTokens = new Map<string, Path>();
  for (const [request, { prompt, continuation }] of requests.entries()) {
    if (prompt.length === 0) throw new InvalidInputError('score: expected a prompt, got no tokens');
    const tokens = Int32Array.from([...prompt, ...continuation.slice(0, -1)]);
    const key = tokens.join(',');
    const first = prompt.length - 1;
    const path = byTokens.get(key) ?? { tokens, wishes: new Map<number, Wish[]>(), first };
    path.first = Math.min(path.first, first);
    for (const [k, token] of continuation.entries()) {
      const at = path.wishes.get(first + k) ?? [];
      at.push({ request, k, token });
      path.wishes.set(first + k, at);
    }
    byTokens.set(key, path);
  }
  return [...byTokens.values()];
}

interface Group {
  /** Positions that all members have in common and that hold no wish; 0 for members that share nothing. */
  readonly shared: number;
  readonly members: readonly Path[];
}

/** Neighbours that share at least half of what the group has in common so far. */
function groupsOf(paths: readonly Path[]): Group[] {
  const groups: { shared: number; members: Path[] }[] = [];
  for (const path of paths) {
    const group = groups.at(-1);
    const head = group?.members[0];
    if (group !== undefined && head !== undefined) {
      const shared = Math.min(group.shared, path.first, commonLength(head.tokens, path.tokens));
      if (shared >= shortestShared && shared * 2 >= group.shared) {
        group.shared = shared;
        group.members.push(path);
        continue;
      }
    }
    groups.push({ shared: path.first, members: [path] });
  }
  return joinLoners(groups);
}

/** Members that share nothing with their neighbours still go side by side. */
function joinLoners(groups: readonly Group[]): Group[] {
  const joined: { shared: number; members: Path[] }[] = [];
  for (const { shared, members } of groups) {
    const last = joined.at(-1);
    if (members.length > 1) joined.push({ shared, members: [...members] });
    else if (last?.shared === 0) last.members.push(...members);
    else joined.push({ shared: 0, members: [...members] });
  }
  return joined;
}

function commonLength(a: Int32Array, b: Int32Array): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

interface Feeding extends Group {
  readonly fill: (wish: Wish, logits: Float32Array, sum: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** The common beginning in sequence 0, then the rest of the members in sequences of their own, several at once. */
async function feedGroup(backend: Backend, feeding: Feeding): Promise<void> {
  const { members } = feeding;
  const shared = backend.info.maxSequences > 1 ? feeding.shared : 0;
  const [head] = members;
  const fresh = (): void => backend.begin({ layers: [], earlyExit: false });
  fresh();
  if (shared > 0 && head !== undefined)
    await decode(backend, [{ path: head, sequence: 0, from: 0, to: shared }], feeding);
  for (let next = 0; next < members.length;) {
    const parts = partsFrom(backend, members, { next, shared });
    const isCopied =
      shared > 0 && parts.every(({ sequence }) => backend.copySequence(0, sequence, shared));
    if (shared > 0 && !isCopied) {
      // A cache that can't be copied: the members from their beginning.
      await feedGroup(backend, { ...feeding, shared: 0, members: members.slice(next) });
      return;
    }
    await decode(backend, parts, feeding);
    next += parts.length;
    if (shared === 0) fresh();
    else for (const { sequence } of parts) backend.removeSequence(sequence);
  }
}

/** As many members from `next` on as one batch and the context hold; at least one. */
function partsFrom(
  { info: { maxSequences, batchSize, contextLength } }: Backend,
  members: readonly Path[],
  { next, shared }: { next: number; shared: number },
): Part[] {
  const first = shared > 0 ? 1 : 0;
  const parts: Part[] = [];
  let size = 0;
  for (const path of members.slice(next, next + maxSequences - first)) {
    const to = path.tokens.length;
    size += to - shared;
    if (parts.length > 0 && (size > batchSize || shared + size > contextLength)) break;
    parts.push({ path, sequence: first + parts.length, from: shared, to });
  }
  return parts;
}

interface Part {
  readonly path: Path;
  readonly sequence: number;
  readonly from: number;
  readonly to: number;
}

/** Feeds stretches of paths and fills in the wishes at their positions. */
async function decode(
  backend: Backend,
  parts: readonly Part[],
  { fill, signal }: Pick<Feeding, 'fill' | 'signal'>,
): Promise<void> {
  const pieces = parts.flatMap(({ path, sequence, from, to }) =>
    Array.from({ length: to - from }, (_, i) => ({ path, sequence, position: from + i })),
  );
  for (let start = 0; start < pieces.length; start += backend.info.batchSize) {
    await breathe(signal);
    const batch = pieces.slice(start, start + backend.info.batchSize);
    backend.decode({
      tokens: Int32Array.from(batch, ({ path, position }) => path.tokens[position] ?? 0),
      positions: Int32Array.from(batch, ({ position }) => position),
      sequences: Int32Array.from(batch, ({ sequence }) => sequence),
      wantsLogits: Uint8Array.from(batch, ({ path, position }) =>
        path.wishes.has(position) || position === path.tokens.length - 1 ? 1 : 0,
      ),
    });
    for (const [row, { path, position }] of batch.entries()) {
      const wishes = path.wishes.get(position);
      if (wishes === undefined) continue;
      // Copied out of native memory once: reads from an external buffer are slower.
      const logits = backend.logits(row).slice();
      const sum = logSumExp(logits);
      for (const wish of wishes) fill(wish, logits, sum);
    }
  }
}
