/** @file A canvas that keeps the size of its place, in device pixels. */

export interface Surface {
  readonly context: CanvasRenderingContext2D;
  /** In CSS pixels. */
  readonly width: number;
  readonly height: number;
}

/** The canvas at its size, ready for drawing in CSS pixels; null while it has no size. A new size clears it. */
export function sizeCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): Surface | null {
  const context = canvas.getContext('2d');
  if (!context || width <= 0 || height <= 0) return null;
  const ratio = Math.min(3, devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

/** Calls `listener` with the width of an element now and when it changes. */
export function onWidth(element: Element, listener: (width: number) => void): () => void {
  const observer = new ResizeObserver(([entry]) => listener(entry?.contentRect.width ?? 0));
  observer.observe(element);
  return () => observer.disconnect();
}
