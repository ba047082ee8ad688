/** @file What if the model were pushed from one emotion to another: chosen on the map, answered side by side. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { LabState } from '../../src/api/lab.ts';
import { Circumplex } from '../charts/circumplex.tsx';
import { EmotionSelect } from '../controls/emotion-select.tsx';
import { formatDose, whatIf } from '../reading/doses.ts';

interface WhatIfPanelProps {
  readonly lab: LabState;
  readonly shown: readonly string[];
  readonly isBusy: boolean;
  /** Sets the doses and asks both ways. */
  readonly onAsk: (doses: Record<string, number>) => void;
}

const largest = 0.15;

function pick(names: readonly string[], wanted: string, place: number): string {
  return names.includes(wanted) ? wanted : (names[place] ?? '');
}

export function WhatIfPanel({ lab, shown, isBusy, onAsk }: WhatIfPanelProps): JSX.Element {
  const names = lab.emotions.map(({ name }) => name);
  const [from, setFrom] = useState(() => pick(names, 'calm', 0));
  const [to, setTo] = useState(() => pick(names, 'desperate', 1));
  const [dose, setDose] = useState(0.05);
  return (
    <section aria-label="What if">
      <h2>What if</h2>
      <Circumplex
        emotions={lab.emotions}
        size={300}
        label="Map of the emotions; drag from one to another, or choose both below"
        labelled={[...new Set([...shown, from, to])]}
        arrow={{ from, to }}
        onDrag={(start, end) => {
          setFrom(start);
          setTo(end);
        }}
      />
      <div class="sentence">
        <span>From</span>
        <EmotionSelect label="From" value={from} names={names} first={shown} onChange={setFrom} />
        <span>to</span>
        <EmotionSelect label="To" value={to} names={names} first={shown} onChange={setTo} />
      </div>
      <label class="slider">
        <span>Dose</span>
        <output>{formatDose(dose)}</output>
        <input
          type="range"
          min={0.01}
          max={largest}
          step={0.01}
          value={dose}
          onInput={(event) => setDose(event.currentTarget.valueAsNumber)}
        />
      </label>
      <button type="button" disabled={isBusy} onClick={() => onAsk(whatIf(from, to, dose))}>
        Ask both ways
      </button>
      <p class="small soft">
        Sends what you wrote, or the last message again, with {from} {formatDose(-dose)} and {to}{' '}
        {formatDose(dose)} beside no steering.
      </p>
    </section>
  );
}
