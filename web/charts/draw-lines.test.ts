import { afterEach, expect, test, vi } from 'vitest';

import { createMessage } from '../chat/message.ts';
import { drawLines, type Lines, nothingDrawn } from './draw-lines.ts';

afterEach(() => vi.unstubAllGlobals());

test('drawLines draws all again when the canvas was cleared by another size in device pixels', () => {
  const rect = (): void => undefined;
  vi.stubGlobal(
    'Path2D',
    class {
      rect = rect;
    },
  );
  const canvas = { width: 600 };
  const clearRect = vi.fn<() => void>();
  // A context that takes every call and draws nothing.
  const own: Record<string, unknown> = { canvas, clearRect };
  const context = new Proxy(own, {
    get: (_, name) => own[String(name)] ?? ((): object => ({ width: 0 })),
    set: () => true,
  }) as unknown as CanvasRenderingContext2D;
  const surface = { context, width: 300, height: 100 };
  const message = createMessage('m', { role: 'assistant', content: 'ab' });
  message.tokens = ['a', 'b'].map((text) => ({ text, readouts: { calm: 1 } }));
  const scale = new Map([['calm', { median: 0, spread: 1 }]]);
  const lines: Lines = {
    messages: [message],
    scale,
    emotions: ['calm'],
    strong: 'calm',
    isGrowing: true,
    peers: [],
  };
  const colours = { ink: '', soft: '', line: '', panel: '', ground: '', bad: '', accent: '' };
  const draw = (): void => void drawLines(surface, lines, { ...colours, series: [''] }, drawn);
  const drawn = nothingDrawn();
  draw();
  message.tokens.push({ text: 'c', readouts: { calm: 2 } });
  draw();
  expect(clearRect).toHaveBeenCalledTimes(1);
  canvas.width = 300;
  draw();
  expect(clearRect).toHaveBeenCalledTimes(2);
});
