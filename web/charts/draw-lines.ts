/** @file The line chart's pixels: lines of standard deviations over tokens, message boundaries, events. */
import { type Message, seriesOf } from '../chat/message.ts';
import { axisEnd, formatSigned, type Scale } from '../reading/scale.ts';
import type { Surface } from './canvas.ts';
import { type Palette, seriesCount } from './palette.ts';
import { axisRoom, lengthOf, offsetsOf, thermostatSpans } from './track.ts';

export interface Lines {
  readonly messages: readonly Message[];
  readonly scale: Scale;
  /** Emotions with a colour each; null in a place keeps it for a line that is off. */
  readonly emotions: readonly (string | null)[];
  /** The line that is drawn with its raw readings. */
  readonly strong: string;
  /** Whether more tokens may come; without them the lines fill the width. */
  readonly isGrowing: boolean;
  /** Messages of a chart beside this one, whose axes are to be the same. */
  readonly peers: readonly Message[];
}

export interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly room: number;
}

/** Weight of the newest token in the lines: a half-life of about two tokens. */
const smoothing = 0.3;

const margin = { left: 30, right: 8, top: 6, bottom: 15 } as const;

/** Tokens that share the width at least: a few would be drawn absurdly wide. */
const leastRoom = 30;

/** Closer together than this, raw readings are a cloud that hides the lines. */
const leastPointPx = 1.5;

function frameOf(surface: Surface, count: number, isGrowing: boolean): Frame {
  return {
    left: margin.left,
    right: surface.width - margin.right,
    top: margin.top,
    bottom: surface.height - margin.bottom,
    room: isGrowing ? axisRoom(count) : Math.max(count, leastRoom),
  };
}

/** Horizontal pixel of a position. */
export function xOf({ left, right, room }: Frame, position: number): number {
  return left + ((position + 0.5) / room) * (right - left);
}

/** Smoothed standard deviations so far; kept with the message, so that each token is averaged once. */
function smoothedOf(message: Message, emotion: string, scale: Scale): readonly number[] {
  const raw = seriesOf(message, emotion, scale);
  // No emotion's name begins with a tilde.
  const key = `~${emotion}`;
  let smoothed = message.series.get(key);
  if (!smoothed) {
    smoothed = [];
    message.series.set(key, smoothed);
  }
  for (let i = smoothed.length; i < raw.length; i += 1) {
    const value = raw[i] ?? Number.NaN;
    const before = smoothed[i - 1] ?? Number.NaN;
    if (Number.isNaN(value)) smoothed.push(before);
    else smoothed.push(Number.isNaN(before) ? value : before + smoothing * (value - before));
  }
  return smoothed;
}

function drawGrid(surface: Surface, frame: Frame, end: number, palette: Palette): void {
  const { context } = surface;
  const middle = (frame.top + frame.bottom) / 2;
  const half = (frame.bottom - frame.top) / 2;
  context.font = '10.5px sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  context.lineWidth = 1;
  for (const level of [-end, -end / 2, 0, end / 2, end]) {
    const y = Math.round(middle - (level / end) * half) + 0.5;
    context.strokeStyle = level === 0 ? palette.soft : palette.line;
    context.globalAlpha = level === 0 ? 0.6 : 1;
    context.beginPath();
    context.moveTo(frame.left, y);
    context.lineTo(frame.right, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = palette.soft;
    context.fillText(formatSigned(level, 0), frame.left - 5, y);
  }
}

function drawMarks(surface: Surface, frame: Frame, lines: Lines, palette: Palette): void {
  const { context } = surface;
  const offsets = offsetsOf(lines.messages);
  context.textAlign = 'left';
  context.textBaseline = 'alphabetic';
  let labelEnd = -Infinity;
  for (const [i, message] of lines.messages.entries()) {
    const start = offsets[i] ?? 0;
    const x = Math.round(xOf(frame, start - 0.5)) + 0.5;
    if (lengthOf(message) === 0 || x > frame.right) continue;
    context.strokeStyle = palette.soft;
    context.globalAlpha = 0.55;
    context.beginPath();
    context.moveTo(x, frame.top);
    context.lineTo(x, frame.bottom + 12);
    context.stroke();
    context.globalAlpha = 1;
    if (x > labelEnd) {
      context.fillStyle = palette.soft;
      context.fillText(message.role, x + 4, frame.bottom + 12);
      labelEnd = x + 10 + context.measureText(message.role).width;
    }
    context.fillStyle = palette.bad;
    for (const event of message.events) {
      const at = xOf(frame, start + event.index);
      context.beginPath();
      context.moveTo(at - 4, frame.top - 5);
      context.lineTo(at + 4, frame.top - 5);
      context.lineTo(at, frame.top + 3);
      context.fill();
    }
  }
}

/** What is on the canvas already, so that a frame draws its new tokens alone. */
interface Drawn {
  signature: string;
  tokens: readonly (readonly unknown[])[];
  /** Tokens of the last message that are drawn. */
  count: number;
  extent: number;
  end: number;
  room: number;
}

/** Nothing is drawn yet. */
export function nothingDrawn(): Drawn {
  return { signature: '', tokens: [], count: 0, extent: 0, end: 0, room: 0 };
}

interface Pen {
  readonly emotion: string;
  readonly colour: string;
  readonly isDashed: boolean;
  readonly isStrong: boolean;
}

interface Stretch {
  readonly message: Message;
  readonly offset: number;
  readonly start: number;
}

interface Plot {
  readonly surface: Surface;
  readonly frame: Frame;
  readonly scale: Scale;
  readonly end: number;
}

function drawStretch({ surface, frame, scale, end }: Plot, pen: Pen, stretch: Stretch): void {
  const { context } = surface;
  const { message, offset, start } = stretch;
  const middle = (frame.top + frame.bottom) / 2;
  const perUnit = (frame.bottom - frame.top) / 2 / end;
  const yOf = (value: number): number =>
    Math.max(frame.top, Math.min(frame.bottom, middle - value * perUnit));
  const raw = seriesOf(message, pen.emotion, scale);
  const smoothed = smoothedOf(message, pen.emotion, scale);
  const hasPoints = pen.isStrong && (frame.right - frame.left) / frame.room > leastPointPx;
  const points = new Path2D();
  let isDown = false;
  context.strokeStyle = pen.colour;
  context.lineWidth = pen.isStrong ? 2.2 : 1.3;
  context.lineJoin = 'round';
  context.setLineDash(pen.isDashed ? [5, 3] : []);
  context.beginPath();
  for (let i = Math.max(0, start - 1); i < smoothed.length; i += 1) {
    const mean = smoothed[i] ?? Number.NaN;
    if (Number.isNaN(mean)) continue;
    const x = xOf(frame, offset + i);
    if (isDown) context.lineTo(x, yOf(mean));
    else context.moveTo(x, yOf(mean));
    isDown = true;
    const value = raw[i] ?? Number.NaN;
    if (hasPoints && i >= start && !Number.isNaN(value)) {
      points.rect(x - 0.75, yOf(value) - 0.75, 1.5, 1.5);
    }
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 0.55;
  context.fillStyle = pen.colour;
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- a canvas, not an array
  context.fill(points);
  context.globalAlpha = 1;
}

/** A faint band where the thermostat was on; edges on whole pixels, so that pieces join without a seam. */
function drawWarmth({ surface, frame }: Omit<Plot, 'scale' | 'end'>, stretch: Stretch): void {
  const { context } = surface;
  const edge = (index: number): number => Math.round(xOf(frame, stretch.offset + index - 0.5));
  for (const [start, end] of thermostatSpans(stretch.message)) {
    const from = Math.max(start, stretch.start);
    if (end > from)
      context.fillRect(edge(from), frame.top, edge(end) - edge(from), frame.bottom - frame.top);
  }
}

function pensOf({ emotions, strong }: Lines, palette: Palette): Pen[] {
  return emotions
    .map((emotion, i) => ({
      emotion: emotion ?? '',
      colour: palette.series[i % seriesCount] ?? palette.ink,
      isDashed: i >= seriesCount,
      isStrong: emotion === strong,
    }))
    .filter(({ emotion }) => emotion !== '')
    .toSorted((a, b) => Number(a.isStrong) - Number(b.isStrong));
}

/** All that forces a new drawing when it changes; what grows at the end does not. */
function signatureOf(
  surface: Surface,
  { messages, emotions, strong }: Lines,
  palette: Palette,
): string {
  return [
    surface.width,
    surface.height,
    // Another size in device pixels has cleared the canvas.
    surface.context.canvas.width,
    palette.ground,
    strong,
    ...emotions,
    ...messages.map(({ tokens, events }, i) => {
      const length = i === messages.length - 1 ? Math.sign(tokens.length) : tokens.length;
      return `${length} ${events.length}`;
    }),
  ].join('|');
}

function extentFrom(lines: Lines, stretches: readonly Stretch[]): number {
  let extent = 0;
  for (const emotion of lines.emotions) {
    if (!emotion) continue;
    for (const { message, start } of stretches) {
      const smoothed = smoothedOf(message, emotion, lines.scale);
      for (let i = start; i < smoothed.length; i += 1) {
        const size = Math.abs(smoothed[i] ?? 0);
        if (size > extent) extent = size;
      }
    }
  }
  return extent;
}

/** Draws what is new, or everything where the frame changed; returns the geometry, for the cursor. */
export function drawLines(surface: Surface, lines: Lines, palette: Palette, drawn: Drawn): Frame {
  const { messages } = lines;
  const offsets = offsetsOf(messages);
  const peerCount = offsetsOf(lines.peers).at(-1) ?? 0;
  const places = Math.max(offsets.at(-1) ?? 0, peerCount);
  const frame = frameOf(surface, places, lines.isGrowing);
  const signature = signatureOf(surface, lines, palette);
  const tokens = messages.map((message) => message.tokens);
  const isSame =
    signature === drawn.signature && tokens.every((list, i) => list === drawn.tokens[i]);
  const stretchesFrom = (isWhole: boolean): Stretch[] =>
    messages
      .map((message, i) => ({
        message,
        offset: offsets[i] ?? 0,
        start: isWhole ? 0 : drawn.count,
      }))
      .slice(isWhole ? 0 : -1);
  const extent = Math.max(isSame ? drawn.extent : 0, extentFrom(lines, stretchesFrom(!isSame)));
  const peerStretches = lines.peers.map((message) => ({ message, offset: 0, start: 0 }));
  const end = axisEnd(Math.max(extent, extentFrom(lines, peerStretches)));
  const isWhole = !isSame || end !== drawn.end || frame.room !== drawn.room;
  if (isWhole) {
    surface.context.clearRect(0, 0, surface.width, surface.height);
    drawGrid(surface, frame, end, palette);
    drawMarks(surface, frame, lines, palette);
  }
  const plot = { surface, frame, scale: lines.scale, end };
  surface.context.globalAlpha = 0.1;
  surface.context.fillStyle = palette.accent;
  for (const stretch of stretchesFrom(isWhole)) drawWarmth(plot, stretch);
  surface.context.globalAlpha = 1;
  for (const pen of pensOf(lines, palette)) {
    for (const stretch of stretchesFrom(isWhole)) drawStretch(plot, pen, stretch);
  }
  const count = messages.at(-1)?.tokens.length ?? 0;
  Object.assign(drawn, { signature, tokens, count, extent, end, room: frame.room });
  return frame;
}
