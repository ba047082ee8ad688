/** @file A whole conversation as one strip: a row an emotion, each pixel the strongest reading under it. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import type { Display } from '../chat/display.ts';
import { oncePerFrame } from '../chat/frames.ts';
import { type Message, seriesOf } from '../chat/message.ts';
import { useStore } from '../client/store.ts';
import { farthestPerColumn } from '../reading/downsample.ts';
import { excerpt } from '../reading/peaks.ts';
import { formatSigned, fullColour, heatColour } from '../reading/scale.ts';
import { onWidth, sizeCanvas, type Surface } from './canvas.ts';
import { onThemeChange, type Palette, readPalette } from './palette.ts';
import {
  countTokens,
  lengthOf,
  offsetsOf,
  type Place,
  placeAt,
  positionOf,
  thermostatSpans,
} from './track.ts';

const row = { band: 18, emotion: 20, gap: 2 } as const;

interface StripProps {
  readonly messages: readonly Message[];
  readonly display: Display;
  readonly onJump: (place: Place) => void;
}

/** One series over all messages, by position on their axis. */
export function wholeSeries(
  messages: readonly Message[],
  emotion: string,
  { scale }: Display,
): number[] {
  return messages.flatMap((message) => {
    const series = seriesOf(message, emotion, scale);
    return Array.from({ length: lengthOf(message) }, (_, i) => series[i] ?? Number.NaN);
  });
}

function drawBands(surface: Surface, messages: readonly Message[], palette: Palette): void {
  const { context, width, height } = surface;
  const offsets = offsetsOf(messages);
  const count = offsets.at(-1) ?? 0;
  const xOf = (position: number): number => (position / Math.max(1, count)) * width;
  const fills = { system: palette.soft, user: palette.accent, assistant: palette.line };
  context.font = '10.5px sans-serif';
  context.textBaseline = 'middle';
  for (const [i, message] of messages.entries()) {
    const [left, right] = [xOf(offsets[i] ?? 0), xOf(offsets[i + 1] ?? 0)];
    if (right <= left) continue;
    context.globalAlpha = message.role === 'assistant' ? 1 : 0.75;
    context.fillStyle = fills[message.role];
    context.fillRect(left, 0, Math.max(1, right - left - 1), row.band - row.gap);
    context.globalAlpha = 1;
    if (right - left > context.measureText(message.role).width + 8) {
      context.fillStyle = message.role === 'assistant' ? palette.ink : palette.ground;
      context.fillText(message.role, left + 4, (row.band - row.gap) / 2 + 0.5);
    }
    // Under the rows, whose colours are readings.
    context.globalAlpha = 0.35;
    context.fillStyle = palette.accent;
    for (const [start, end] of thermostatSpans(message)) {
      const from = xOf((offsets[i] ?? 0) + start);
      context.fillRect(from, height - 8, xOf((offsets[i] ?? 0) + end) - from, 6);
    }
    context.globalAlpha = 1;
    context.fillStyle = palette.bad;
    for (const { index } of message.events) {
      const x = xOf((offsets[i] ?? 0) + index + 0.5);
      context.fillRect(x - 0.75, row.band - row.gap, 1.5, height);
      context.beginPath();
      context.arc(x, height - 5, 4, 0, 7);
      context.fill();
    }
  }
}

function drawRow(surface: Surface, values: readonly number[], top: number): void {
  const { context, width } = surface;
  const columns = farthestPerColumn(values, Math.floor(width));
  const step = width / Math.max(1, columns.length);
  for (const [i, value] of columns.entries()) {
    const [left, right] = [Math.round(i * step), Math.round((i + 1) * step)];
    context.fillStyle = heatColour(value, fullColour);
    context.fillRect(left, top, right - left, row.emotion - row.gap);
  }
}

function attach(
  plot: HTMLElement,
  canvas: HTMLCanvasElement,
  cursor: HTMLElement,
  props: StripProps & { emotions: readonly string[]; height: number },
): () => void {
  const { messages, display, emotions, height } = props;
  let palette = readPalette();
  let width = 0;
  const move = (): void => {
    const position = positionOf(messages, display.selection.get());
    const count = offsetsOf(messages).at(-1) ?? 0;
    cursor.hidden = position === null;
    if (position === null) return;
    cursor.style.transform = `translateX(${((position + 0.5) / Math.max(1, count)) * width}px)`;
    cursor.style.height = `${height}px`;
  };
  const draw = (): void => {
    const surface = sizeCanvas(canvas, width, height);
    if (!surface) return;
    surface.context.clearRect(0, 0, width, height);
    for (const [i, emotion] of emotions.entries()) {
      const top = row.band + i * row.emotion;
      surface.context.fillStyle = palette.panel;
      surface.context.fillRect(0, top, width, row.emotion - row.gap);
      drawRow(surface, wholeSeries(messages, emotion, display), top);
    }
    drawBands(surface, messages, palette);
    move();
  };
  const { schedule } = oncePerFrame(draw);
  const ends = [
    onWidth(plot, (next) => {
      width = next;
      draw();
    }),
    onThemeChange(() => {
      palette = readPalette();
      draw();
    }),
    ...messages.map(({ changed }) => changed.subscribe(schedule)),
    display.selection.subscribe(move),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function describe(place: Place, { colour, scale }: Display): string {
  const { message, index } = place;
  const texts = message.tokens.map(({ text }) => text);
  const { before, token, after } = excerpt(texts, index, 36);
  const value = seriesOf(message, colour.get(), scale)[index] ?? Number.NaN;
  return `${message.role} ${index}: ${before}[${token}]${after}   ${colour.get()} ${formatSigned(value)}`;
}

/** The strip with its row names; a click or Enter goes to the token. */
export function Strip(props: StripProps): JSX.Element {
  const { messages, display, onJump } = props;
  const shown = useStore(display.shown);
  const colour = useStore(display.colour);
  const off = useStore(display.off);
  const selection = useStore(display.selection);
  const emotions = [...new Set([colour, ...shown.filter((name) => !off.has(name))])];
  const key = emotions.join('|');
  const height = row.band + emotions.length * row.emotion + 12;
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const cursor = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!plot.current || !canvas.current || !cursor.current) return undefined;
    return attach(plot.current, canvas.current, cursor.current, { ...props, emotions, height });
  }, [messages, display, key]);
  const count = offsetsOf(messages).at(-1) ?? 0;
  const chosen = positionOf(messages, selection);
  const text = selection && chosen !== null ? describe(selection, display) : '';
  const go = (position: number): void => {
    const place = placeAt(messages, Math.max(0, Math.min(count - 1, position)));
    if (place) display.selection.set(place);
  };
  const at = (event: PointerEvent): number => {
    const box = canvas.current?.getBoundingClientRect();
    return box ? Math.floor(((event.clientX - box.left) / box.width) * count) : 0;
  };
  const jump = (): void => {
    const place = display.selection.get();
    if (place && messages.includes(place.message)) onJump(place);
  };
  return (
    <div class="strip">
      <div class="names" style={{ paddingTop: `${row.band}px` }}>
        {emotions.map((name) => (
          <div key={name} style={{ height: `${row.emotion}px` }}>
            {name}
          </div>
        ))}
      </div>
      <div class="plot" ref={plot} data-testid="strip" data-points={countTokens(messages)}>
        <canvas
          ref={canvas}
          style={{ height: `${height}px` }}
          tabIndex={0}
          role="slider"
          aria-label="Position in the conversation, in tokens"
          aria-valuemin={0}
          aria-valuemax={Math.max(0, count - 1)}
          aria-valuenow={chosen ?? 0}
          aria-valuetext={text || 'no token'}
          onPointerMove={(event) => go(at(event))}
          onPointerDown={(event) => go(at(event))}
          onClick={jump}
          onKeyDown={(event) => {
            const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 25, PageUp: -25 }[event.key];
            if (event.key === 'Enter') jump();
            else if (step === undefined) return;
            else go((positionOf(messages, display.selection.get()) ?? 0) + step);
            event.preventDefault();
          }}
        />
        <div class="cursor" ref={cursor} hidden />
      </div>
      <p class="readout under" data-testid="strip-readout">
        {text || `${count} tokens. Point at the strip; a click goes to the token.`}
      </p>
    </div>
  );
}
