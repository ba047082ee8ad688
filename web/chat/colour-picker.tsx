/** @file Which emotion colours the tokens, with steps through the shown ones, and the scale of the colours. */
import type { JSX } from 'preact';

import { ColourScale } from '../charts/colour-scale.tsx';
import { useStore } from '../client/store.ts';
import { EmotionSelect } from '../controls/emotion-select.tsx';
import type { Display } from './display.ts';

interface ColourPickerProps {
  readonly display: Display;
  readonly onChange?: (emotion: string) => void;
}

/** The shown emotion `step` places from the one that colours the tokens. */
export function neighbourOf({ shown, colour }: Display, step: number): string {
  const names = shown.get();
  const at = names.indexOf(colour.get());
  return names[(at + step + names.length) % names.length] ?? colour.get();
}

export function ColourPicker({ display, onChange }: ColourPickerProps): JSX.Element {
  const colour = useStore(display.colour);
  const shown = useStore(display.shown);
  const pick = (name: string): void => {
    display.colour.set(name);
    onChange?.(name);
  };
  return (
    <div class="row">
      <span class="picker">
        <label for="colour" class="soft wide-only">
          Colour
        </label>
        <EmotionSelect
          id="colour"
          label="Emotion that colours the tokens"
          value={colour}
          names={display.names}
          first={shown}
          onChange={pick}
        />
        <button
          type="button"
          class="icon quiet wide-only"
          aria-label="Previous shown emotion"
          onClick={() => pick(neighbourOf(display, -1))}
        >
          ‹
        </button>
        <button
          type="button"
          class="icon quiet wide-only"
          aria-label="Next shown emotion"
          onClick={() => pick(neighbourOf(display, 1))}
        >
          ›
        </button>
      </span>
      <ColourScale />
      <span class="small soft">sd</span>
    </div>
  );
}
