/** @file What happens at most once a frame, and how many frames were late while a reply streamed. */

interface FrameCount {
  count: number;
  slow: number;
}

declare global {
  interface Window {
    /** Only with `?measure`: frames while replies streamed, and those that took over 20 ms. */
    __limbicFrames?: FrameCount;
  }
}

/** A function that calls `work` in the next frame, however often it is called before. */
export function oncePerFrame(work: () => void): { schedule: () => void; flush: () => void } {
  let handle = 0;
  const run = (): void => {
    handle = 0;
    work();
  };
  return {
    schedule: () => {
      handle ||= requestAnimationFrame(run);
    },
    // A hidden tab has no frames; the end of a stream must be drawn all the same.
    flush: () => {
      cancelAnimationFrame(handle);
      run();
    },
  };
}

/** A frame that takes longer was seen as a hitch: 60 frames a second leave 16.7 ms. */
const slowMs = 20;

/** Counts frames until the returned function is called; only on a page opened with `?measure`. */
export function measureFrames(): () => void {
  if (!new URLSearchParams(location.search).has('measure')) return () => undefined;
  // oxlint-disable-next-line no-underscore-dangle -- the name that measurements look for
  const frames = (window.__limbicFrames ??= { count: 0, slow: 0 });
  let last = performance.now();
  let handle = requestAnimationFrame(function look(now) {
    frames.count += 1;
    if (now - last > slowMs) frames.slow += 1;
    last = now;
    handle = requestAnimationFrame(look);
  });
  return () => cancelAnimationFrame(handle);
}
