/** @file A reading of any length as JSON, in the terminal and as a page, written a part at a time. */
import { renderBars, type ShownToken, tokenPieces } from '../charts/html.ts';
import { pagePieces } from '../charts/page.ts';
import { paintToken, signed, signedBar } from '../charts/terminal.ts';
import type { LongReading } from '../studies/long-reading.ts';
import { type Ranked, strongestBeforeReply } from '../studies/reading.ts';
import type { Windowing } from '../studies/windows.ts';

export const disclaimer =
  'Readings are of internal representations that work like emotion concepts. Nothing here shows that a model feels anything.';

/** A reading with what is shown of it. */
export interface Shown {
  readonly reading: LongReading;
  /** Name of the model. */
  readonly model: string;
  /** Emotions that are shown token by token. */
  readonly painted: readonly string[];
  /** Value in full colour by emotion. */
  readonly maxima: ReadonlyMap<string, number>;
  /** All emotions, strongest first, over the passage. */
  readonly passage: readonly Ranked[];
  /** The same right before the reply, in standard deviations over neutral messages; null for a text. */
  readonly beforeReply: readonly Ranked[] | null;
  /** How many of the strongest are listed. */
  readonly top: number;
}

/** Works out what is shown. @param asked emotions to paint; the strongest of the passage if undefined */
export function showReading(
  reading: LongReading,
  { model, asked, top }: { model: string; asked: readonly string[] | undefined; top: number },
): Shown {
  const passage = reading.strongest();
  const painted = asked ?? passage.slice(0, 1).map(({ emotion }) => emotion);
  const beforeReply = reading.beforeReply === null ? null : strongestBeforeReply(reading);
  const maxima = reading.displayMaxima(painted);
  return { reading, model, painted, maxima, passage, beforeReply, top };
}

/** One reading at one position. */
interface Place {
  readonly position: number;
  readonly text: string;
  /** By emotion, in the order of those that are painted. */
  readonly values: readonly number[];
}

async function* placesOf(
  reading: LongReading,
  emotions: readonly string[],
): AsyncGenerator<Place[]> {
  const columns = emotions.map((emotion) => reading.emotions.indexOf(emotion));
  const width = reading.emotions.length;
  for await (const { from, tokens, values } of reading.parts())
    yield tokens.map((text, i) => ({
      position: from + i,
      text,
      values: columns.map((column) => values[i * width + column] ?? NaN),
    }));
}

/**
 * The reading as JSON, as JSON.stringify would lay it out.
 * @yields text, which is JSON only together
 */
export async function* jsonPieces(shown: Shown): AsyncGenerator<string> {
  const { reading, model, painted, passage, beforeReply, top } = shown;
  const { layer, windows } = reading;
  const head = {
    model,
    layer,
    windows,
    passage: passage.slice(0, top),
    beforeReply: beforeReply?.slice(0, top) ?? null,
  };
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "tokens": [`;
  let separator = '\n';
  for await (const places of placesOf(reading, painted)) {
    const items = places.map(({ position, text, values }) => {
      const readouts = Object.fromEntries(painted.map((name, k) => [name, values[k] ?? null]));
      return JSON.stringify({ position, text, readouts }, null, 2).replaceAll('\n', '\n    ');
    });
    yield `${separator}    ${items.join(',\n    ')}`;
    separator = ',\n';
  }
  yield '\n  ]\n}\n';
}

/** How a long text was read, in a sentence. */
function inWords({ size, stride, count }: Windowing): string {
  return `read in ${count} windows of ${size} tokens, each ${stride} after the one before, so that every token has at least ${Math.ceil(size / 2)} before it, or all that the text has`;
}

/**
 * The reading for a terminal.
 * @yields text
 */
export async function* terminalPieces(shown: Shown, colour: boolean): AsyncGenerator<string> {
  const { reading, painted, maxima, passage, beforeReply, top } = shown;
  if (reading.windows !== null) yield `${inWords(reading.windows)}\n\n`;
  for (const emotion of painted) {
    const max = maxima.get(emotion) ?? 1;
    yield `${emotion} at layer ${reading.layer}, full colour at ${max.toFixed(3)} of the mean residual norm\n`;
    for await (const places of placesOf(reading, [emotion]))
      yield places
        .map(({ position, text, values: [value = NaN] }) =>
          paintToken(text, reading.isSink(position) ? 0 : value, max, colour),
        )
        .join('');
    yield '\n';
    if (!colour) {
      let separator = '';
      for await (const places of placesOf(reading, [emotion])) {
        const items = places.map(
          ({ text, values: [value = NaN] }) => `${JSON.stringify(text)} ${signed(value)}`,
        );
        yield separator + items.join('  ');
        separator = '  ';
      }
      yield '\n';
    }
    yield '\n';
  }
  yield rankedInWords('strongest over the passage', passage, top);
  if (beforeReply !== null)
    yield rankedInWords(
      'strongest right before the reply, in standard deviations over neutral messages',
      beforeReply,
      top,
    );
}

function rankedInWords(title: string, ranked: readonly Ranked[], top: number): string {
  const max = Math.abs(ranked[0]?.value ?? 1);
  const rows = ranked
    .slice(0, top)
    .map(
      ({ emotion, value }) => `  ${emotion.padEnd(18)}${signedBar(value, max)} ${signed(value)}\n`,
    );
  return `${title}\n${rows.join('')}`;
}

/**
 * The reading as an offline page.
 * @yields HTML, which is a page only together
 */
export function htmlPieces(shown: Shown): AsyncGenerator<string> {
  const { reading, model, painted, maxima, passage, beforeReply, top } = shown;
  const { layer, length, windows } = reading;
  const sections: Parameters<typeof pagePieces>[0]['sections'][number][] = painted.map(
    (emotion) => ({
      title: emotion,
      lead: 'Projection of the centred residual, as a share of the mean residual norm.',
      body: tokenPieces(tokensOf(reading, emotion), `layer ${layer}`, maxima.get(emotion) ?? 1),
    }),
  );
  const bars = (ranked: readonly Ranked[], label: string): string =>
    renderBars(
      ranked.slice(0, top).map(({ emotion, value }) => ({ name: emotion, value })),
      label,
    );
  const lists = [bars(passage, 'over the passage')];
  if (beforeReply !== null)
    lists.push(
      bars(beforeReply, 'right before the reply, in standard deviations over neutral messages'),
    );
  sections.push({
    title: 'Strongest',
    lead: 'Mean over the passage without its first token.',
    body: lists,
  });
  return pagePieces({
    title: 'A reading',
    subtitle: `${model}, ${length} tokens${windows === null ? '' : `, ${inWords(windows)}`}`,
    sections,
    footer: disclaimer,
  });
}

async function* tokensOf(reading: LongReading, emotion: string): AsyncGenerator<ShownToken[]> {
  for await (const places of placesOf(reading, [emotion]))
    yield places.map(({ position, text, values: [value = NaN] }) => ({
      text,
      value: reading.isSink(position) ? 0 : value,
      detail: `${emotion} ${value.toFixed(3)} · position ${position}`,
    }));
}
