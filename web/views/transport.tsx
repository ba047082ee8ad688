/** @file Playing a conversation token by token: play, pause, step, speed, position. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { PauseIcon, PlayIcon } from '../controls/icons.tsx';

interface TransportProps {
  readonly count: number;
  /** Tokens that are past; from 0 to `count`. */
  readonly position: number;
  readonly onMove: (position: number) => void;
}

const speeds = [2, 5, 10, 20, 50, 100];

export function Transport({ count, position, onMove }: TransportProps): JSX.Element {
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(10);
  useEffect(() => {
    if (!isPlaying) return undefined;
    let at = position >= count ? 0 : position;
    let last = performance.now();
    let handle = requestAnimationFrame(function step(now) {
      at = Math.min(count, at + ((now - last) / 1000) * speed);
      last = now;
      onMove(Math.floor(at));
      if (at >= count) setPlaying(false);
      else handle = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(handle);
    // The position moves with each frame; only a new play starts from it.
  }, [isPlaying, speed, count]);
  const step = (by: number): void => {
    setPlaying(false);
    onMove(Math.max(0, Math.min(count, position + by)));
  };
  return (
    <div class="transport" role="group" aria-label="Replay">
      <button
        type="button"
        class="icon"
        data-testid="play"
        aria-label={isPlaying ? 'Pause' : 'Play'}
        onClick={() => setPlaying(!isPlaying)}
      >
        {isPlaying ? <PauseIcon /> : <PlayIcon />}
      </button>
      <button type="button" class="icon" aria-label="One token back" onClick={() => step(-1)}>
        ‹
      </button>
      <button type="button" class="icon" aria-label="One token on" onClick={() => step(1)}>
        ›
      </button>
      <input
        type="range"
        aria-label="Position in tokens"
        min={0}
        max={count}
        value={position}
        onInput={(event) => {
          setPlaying(false);
          onMove(event.currentTarget.valueAsNumber);
        }}
      />
      <span class="small soft" data-testid="position">
        {position} / {count}
      </span>
      <label class="row small">
        <select
          aria-label="Speed"
          value={speed}
          onChange={(event) => setSpeed(Number(event.currentTarget.value))}
        >
          {speeds.map((value) => (
            <option key={value} value={value}>
              {value} tokens/s
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
