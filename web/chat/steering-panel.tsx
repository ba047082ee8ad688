/** @file Steering of the next reply: a slider by emotion, and what the sum does in plain words. */
import type { JSX } from 'preact';

import { type Store, useStore } from '../client/store.ts';
import { Combobox } from '../controls/combobox.tsx';
import {
  activeDoses,
  describeStrength,
  doseStep,
  formatDose,
  largestDose,
  strengthOf,
} from '../reading/doses.ts';
import { defaultSteering, type Steering } from './settings.ts';

interface SteeringPanelProps {
  readonly steering: Store<Steering>;
  readonly names: readonly string[];
  readonly strengthPerDose: number;
  readonly coherenceLimit: number;
}

function Slider(props: {
  readonly name: string;
  readonly dose: number;
  readonly onChange: (dose: number) => void;
  readonly onRemove: () => void;
}): JSX.Element {
  const { name, dose, onChange, onRemove } = props;
  return (
    <div class="slider">
      <label for={`dose-${name}`}>{name}</label>
      <output>{formatDose(dose)}</output>
      <button type="button" class="drop" aria-label={`Remove ${name}`} onClick={onRemove}>
        ×
      </button>
      <i class="middle" aria-hidden="true" />
      <input
        id={`dose-${name}`}
        type="range"
        class="bipolar"
        data-testid={`slider-${name}`}
        min={-largestDose}
        max={largestDose}
        step={doseStep}
        value={dose}
        aria-valuetext={formatDose(dose)}
        onInput={(event) => onChange(Math.round(event.currentTarget.valueAsNumber * 100) / 100)}
        onDblClick={() => onChange(0)}
      />
    </div>
  );
}

function Strength(props: {
  readonly strength: number;
  readonly limit: number;
  readonly doses: Steering['doses'];
}): JSX.Element {
  const { strength, limit, doses } = props;
  const active = Object.entries(activeDoses(doses));
  const words = describeStrength(strength, limit);
  const isOver = strength > limit;
  const end = limit * 1.5;
  return (
    <>
      <p>
        {active.length === 0 ? (
          'No steering.'
        ) : (
          <>
            {active.map(([name, dose]) => `${name} ${formatDose(dose)}`).join(', ')}: <b>{words}</b>
          </>
        )}
      </p>
      <div
        class={isOver ? 'meter over' : 'meter'}
        role="img"
        aria-label={`Strength ${strength.toFixed(2)}; the limit of coherence is ${limit.toFixed(2)}`}
      >
        <i style={{ width: `${Math.min(100, (strength / end) * 100)}%` }} />
        <b style={{ left: `${(limit / end) * 100}%` }} />
      </div>
      <p class="small soft">
        strength {strength.toFixed(2)}, coherent up to {limit.toFixed(2)}
      </p>
      {isOver && (
        <p class="notice warn small">
          Above the limit replies repeat themselves or fall apart; what they then show is damage,
          not an effect.
        </p>
      )}
    </>
  );
}

/** Sliders, the strength in words, the phase, and the switch to compare with no steering. */
export function SteeringPanel(props: SteeringPanelProps): JSX.Element {
  const { steering, names, strengthPerDose, coherenceLimit } = props;
  const value = useStore(steering);
  const change = (part: Partial<Steering>): void => steering.set({ ...steering.get(), ...part });
  const strength = strengthOf(value.doses, strengthPerDose);
  return (
    <section aria-label="Steering">
      <header>
        <h2>Steering</h2>
        <button
          type="button"
          class="quiet small"
          onClick={() => change({ doses: defaultSteering(names).doses })}
        >
          Reset
        </button>
      </header>
      {Object.entries(value.doses).map(([name, dose]) => (
        <Slider
          key={name}
          name={name}
          dose={dose}
          onChange={(next) => change({ doses: { ...steering.get().doses, [name]: next } })}
          onRemove={() =>
            change({
              doses: Object.fromEntries(
                Object.entries(steering.get().doses).filter(([other]) => other !== name),
              ),
            })
          }
        />
      ))}
      <Combobox
        label="Add an emotion to steer"
        placeholder="add emotion"
        names={names.filter((name) => !(name in value.doses))}
        onPick={(name) => change({ doses: { ...value.doses, [name]: 0 } })}
      />
      <Strength strength={strength} limit={coherenceLimit} doses={value.doses} />
      <fieldset class="row">
        <legend class="unseen">What is steered</legend>
        <div class="segmented">
          {(['all', 'reply'] as const).map((phase) => (
            <label key={phase}>
              <input
                type="radio"
                name="phase"
                checked={value.phase === phase}
                onChange={() => change({ phase })}
              />
              {phase === 'all' ? 'whole text' : 'reply only'}
            </label>
          ))}
        </div>
      </fieldset>
      <label class="check">
        <input
          type="checkbox"
          data-testid="side-by-side"
          checked={value.isSideBySide}
          onChange={(event) => change({ isSideBySide: event.currentTarget.checked })}
        />
        Side by side with the unsteered reply
      </label>
    </section>
  );
}
