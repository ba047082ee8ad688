/** @file Lines of the shown emotions over the tokens of messages, drawn once a frame, with a cursor. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import type { Display } from '../chat/display.ts';
import { oncePerFrame } from '../chat/frames.ts';
import type { Message } from '../chat/message.ts';
import { focusToken } from '../chat/token-text.ts';
import { onWidth, sizeCanvas } from './canvas.ts';
import { drawLines, type Frame, nothingDrawn, xOf } from './draw-lines.ts';
import { onThemeChange, readPalette } from './palette.ts';
import { countTokens, placeAt, positionOf } from './track.ts';

interface LineChartProps {
  readonly messages: readonly Message[];
  readonly display: Display;
  readonly height: number;
  readonly label: string;
  /** Whether the conversation goes on; its lines then leave room. */
  readonly isGrowing: boolean;
  /** Messages of a chart beside this one, whose axes are to be the same. */
  readonly peers?: readonly Message[];
}

const noPeers: readonly Message[] = [];

interface Elements {
  readonly plot: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly cursor: HTMLElement;
}

function attach({ plot, canvas, cursor }: Elements, props: LineChartProps): () => void {
  const { messages, display, height, isGrowing, peers = noPeers } = props;
  const { off } = display;
  let palette = readPalette();
  let width = 0;
  let frame: Frame | null = null;
  let drawn = nothingDrawn();
  const moveCursor = (): void => {
    const position = positionOf(messages, display.selection.get());
    cursor.hidden = position === null || frame === null;
    if (position !== null && frame) {
      cursor.style.transform = `translateX(${xOf(frame, position)}px)`;
      cursor.style.height = `${frame.bottom}px`;
    }
  };
  const draw = (): void => {
    const surface = sizeCanvas(canvas, width, height);
    if (!surface) return;
    const emotions = display.shown.get().map((name) => (off.get().has(name) ? null : name));
    frame = drawLines(
      surface,
      { messages, scale: display.scale, emotions, strong: display.colour.get(), isGrowing, peers },
      palette,
      drawn,
    );
    plot.dataset['points'] = String(countTokens(messages));
    moveCursor();
  };
  const { schedule } = oncePerFrame(draw);
  const select = (event: PointerEvent): void => {
    if (!frame) return;
    const x = event.clientX - canvas.getBoundingClientRect().left;
    const position = Math.floor(((x - frame.left) / (frame.right - frame.left)) * frame.room);
    const place = placeAt(messages, position);
    if (place) display.selection.set(place);
  };
  const jump = (): void => {
    const selection = display.selection.get();
    if (selection) focusToken(selection.message.id, selection.index);
  };
  canvas.addEventListener('pointermove', select);
  canvas.addEventListener('pointerdown', select);
  canvas.addEventListener('click', jump);
  const ends = [
    onWidth(plot, (next) => {
      width = next;
      draw();
    }),
    onThemeChange(() => {
      palette = readPalette();
      drawn = nothingDrawn();
      draw();
    }),
    // A streaming message tells once a frame already; waiting for the next would show it late.
    ...messages.map(({ changed }) => changed.subscribe(draw)),
    ...peers.map(({ changed }) => changed.subscribe(schedule)),
    display.shown.subscribe(schedule),
    display.colour.subscribe(schedule),
    off.subscribe(schedule),
    display.selection.subscribe(moveCursor),
  ];
  return () => {
    canvas.removeEventListener('pointermove', select);
    canvas.removeEventListener('pointerdown', select);
    canvas.removeEventListener('click', jump);
    for (const end of ends) end();
  };
}

/** The chart; its height is fixed, so that nothing moves when tokens arrive. */
export function LineChart(props: LineChartProps): JSX.Element {
  const { messages, display, height, label } = props;
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const cursor = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!plot.current || !canvas.current || !cursor.current) return undefined;
    return attach({ plot: plot.current, canvas: canvas.current, cursor: cursor.current }, props);
  }, [messages, display, height, props.peers]);
  return (
    <div class="plot" ref={plot} data-testid="lines" data-points="0">
      <canvas ref={canvas} style={{ height: `${height}px` }} role="img" aria-label={label} />
      <div class="cursor" ref={cursor} hidden />
    </div>
  );
}
