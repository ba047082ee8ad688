/** @file `limbic read`. */
import { z } from 'zod';

import { escapeHtml, renderBars, renderTokens } from '../charts/html.ts';
import { renderPage } from '../charts/page.ts';
import { paintToken, signed, signedBar, wantsColour } from '../charts/terminal.ts';
import type { ChatMessage } from '../engine/chat-template.ts';
import { InvalidInputError } from '../errors.ts';
import { readJsonLines, readText as readFile } from '../formats/jsonl.ts';
import { writeWholeFile } from '../formats/whole-file.ts';
import {
  displayMax,
  paintedTrace,
  type Reading,
  readChat,
  readText,
  strongestBeforeReply,
  strongestOver,
  traceOf,
} from '../studies/reading.ts';
import {
  type Command,
  type Context,
  jsonOption,
  modelOptions,
  packOption,
  text,
  wholeNumber,
} from './command.ts';
import { openWithPack } from './make-pack.ts';

export const disclaimer =
  'Readings are of internal representations that work like emotion concepts. Nothing here shows that a model feels anything.';

const messageSchema = z.object({
  role: z.enum(['system', 'user', 'assistant']),
  content: z.string(),
});
const chatLine = z.union([
  messageSchema.transform((message) => [message]),
  z.object({ messages: z.array(messageSchema) }).transform(({ messages }) => messages),
]);

export const readCommand: Command = {
  name: 'read',
  summary: 'read the emotions of a text or a conversation, token by token',
  usage: '(--text T | --file F | --chat messages.jsonl) [--emotions a,b | --top 8]',
  options: {
    ...modelOptions,
    text: { type: 'string', value: 'T', summary: 'the text to read' },
    file: { type: 'string', value: 'F', summary: 'a text file' },
    chat: {
      type: 'string',
      value: 'F',
      summary: 'JSONL of {role, content}, or of {messages: [...]}',
    },
    emotions: {
      type: 'string',
      value: 'a,b',
      summary: 'paint these (default: the strongest of the passage)',
    },
    top: { type: 'string', value: 'N', summary: 'how many of the strongest to list (default 8)' },
    layer: { type: 'string', value: 'L', summary: "layer to read (default: the pack's best)" },
    ...packOption,
    html: { type: 'string', value: 'OUT', summary: 'write an offline page' },
    ...jsonOption,
  },
  examples: [
    'limbic read --text "The stairs creaked. Nobody else was home." --emotions afraid,calm',
    'limbic read --chat messages.jsonl --top 5 --html reading.html',
  ],
  run: async (context) => {
    const input = inputOf(context);
    const top = wholeNumber(context.values, 'top', { min: 1, max: 1000, fallback: 8 });
    const { model: opened, pack } = await openWithPack(context);
    await using model = opened;
    const layer = wholeNumber(context.values, 'layer', {
      min: 0,
      max: model.info.blocks - 2,
      fallback: pack.bestLayer,
    });
    const options = { layer, signal: context.signal };
    const reading =
      typeof input === 'string'
        ? await readText(model, pack, input, options)
        : await readChat(model, pack, input, options);
    const passage = strongestOver(reading);
    const asked = text(context.values, 'emotions')
      ?.split(',')
      .map((name) => name.trim());
    for (const name of asked ?? []) {
      if (!pack.emotions.includes(name)) await readText(model, pack, 'x', { emotions: [name] });
    }
    const painted = asked ?? passage.slice(0, 1).map(({ emotion }) => emotion);
    const report = {
      model: model.info.name,
      layer,
      passage: passage.slice(0, top),
      beforeReply:
        reading.beforeReply === null ? null : strongestBeforeReply(reading).slice(0, top),
    };
    if (context.values['json'] === true) {
      const tokens = reading.tokens.map((token, position) => ({
        position,
        text: token,
        readouts: Object.fromEntries(
          painted.map((name) => [name, traceOf(reading, name)[position] ?? null]),
        ),
      }));
      console.log(JSON.stringify({ ...report, tokens }, null, 2));
    } else {
      print(reading, painted, top);
    }
    const out = text(context.values, 'html');
    if (out !== undefined) {
      writeWholeFile(out, page(model.info.name, reading, painted, top));
      console.error(`wrote ${out}`);
    }
  },
};

function inputOf({ values }: Context): string | ChatMessage[] {
  const given = ['text', 'file', 'chat'].filter((name) => text(values, name) !== undefined);
  if (given.length !== 1) {
    throw new InvalidInputError(
      `read: expected one of --text, --file or --chat, got ${given.length}`,
    );
  }
  const chat = text(values, 'chat');
  if (chat !== undefined) return readJsonLines(chat, chatLine).flat();
  const file = text(values, 'file');
  const input = file === undefined ? (text(values, 'text') ?? '') : readFile(file);
  if (input.trim() === '') throw new InvalidInputError('read: expected a text, got an empty one');
  return input;
}

function print(reading: Reading, painted: readonly string[], top: number): void {
  const colour = wantsColour(process.stdout, process.env);
  for (const emotion of painted) {
    const max = displayMax(reading, emotion);
    const trace = traceOf(reading, emotion);
    const shown = paintedTrace(reading, emotion);
    console.log(
      `${emotion} at layer ${reading.layer}, full colour at ${max.toFixed(3)} of the mean residual norm`,
    );
    console.log(
      reading.tokens.map((token, i) => paintToken(token, shown[i] ?? 0, max, colour)).join(''),
    );
    if (!colour)
      console.log(
        trace.map((value, i) => `${JSON.stringify(reading.tokens[i])} ${signed(value)}`).join('  '),
      );
    console.log('');
  }
  const lists: [string, ReturnType<typeof strongestOver>][] = [
    ['strongest over the passage', strongestOver(reading)],
  ];
  if (reading.beforeReply !== null)
    lists.push([
      'strongest right before the reply, in standard deviations over neutral messages',
      strongestBeforeReply(reading),
    ]);
  for (const [title, ranked] of lists) {
    console.log(title);
    const max = Math.abs(ranked[0]?.value ?? 1);
    for (const { emotion, value } of ranked.slice(0, top))
      console.log(`  ${emotion.padEnd(18)}${signedBar(value, max)} ${signed(value)}`);
  }
}

function page(model: string, reading: Reading, painted: readonly string[], top: number): string {
  const sections = painted.map((emotion) => {
    const trace = traceOf(reading, emotion);
    const shown = paintedTrace(reading, emotion);
    const tokens = reading.tokens.map((token, i) => ({
      text: token,
      value: shown[i] ?? 0,
      detail: `${emotion} ${(trace[i] ?? NaN).toFixed(3)} · position ${i}`,
    }));
    return {
      title: emotion,
      lead: 'Projection of the centred residual, as a share of the mean residual norm.',
      body: renderTokens(tokens, `layer ${reading.layer}`, displayMax(reading, emotion)),
    };
  });
  const bars = (ranked: ReturnType<typeof strongestOver>, label: string): string =>
    renderBars(
      ranked.slice(0, top).map(({ emotion, value }) => ({ name: emotion, value })),
      label,
    );
  sections.push({
    title: 'Strongest',
    lead: 'Mean over the passage without its first token.',
    body:
      bars(strongestOver(reading), escapeHtml('over the passage')) +
      (reading.beforeReply === null
        ? ''
        : bars(
            strongestBeforeReply(reading),
            'right before the reply, in standard deviations over neutral messages',
          )),
  });
  return renderPage({
    title: 'A reading',
    subtitle: `${model}, ${reading.tokens.length} tokens`,
    sections,
    footer: disclaimer,
  });
}
