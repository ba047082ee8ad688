/** @file The thermostat: while one emotion reads high, another is turned up. */
import type { JSX } from 'preact';

import { type Store, useStore } from '../client/store.ts';
import { EmotionSelect } from '../controls/emotion-select.tsx';
import type { Steering, Thermostat } from './settings.ts';

interface ThermostatPanelProps {
  readonly steering: Store<Steering>;
  readonly names: readonly string[];
}

const percentiles = [50, 75, 90, 95, 99];
const limits = [0.02, 0.04, 0.06, 0.08, 0.1];

export function ThermostatPanel({ steering, names }: ThermostatPanelProps): JSX.Element {
  const { thermostat } = useStore(steering);
  const change = (part: Partial<Thermostat>): void => {
    const value = steering.get();
    steering.set({ ...value, thermostat: { ...value.thermostat, ...part } });
  };
  return (
    <section aria-label="Thermostat">
      <header>
        <h2>Thermostat</h2>
        <label class="check">
          <input
            type="checkbox"
            checked={thermostat.isOn}
            onChange={(event) => change({ isOn: event.currentTarget.checked })}
          />
          on
        </label>
      </header>
      <div class="sentence">
        <span>While</span>
        <EmotionSelect
          label="Emotion that is watched"
          value={thermostat.watch}
          names={names}
          onChange={(watch) => change({ watch })}
        />
        <span>is above</span>
        <select
          aria-label="Percentile of everyday text"
          value={thermostat.above}
          onChange={(event) => change({ above: Number(event.currentTarget.value) })}
        >
          {percentiles.map((percentile) => (
            <option key={percentile} value={percentile}>
              p{percentile}
            </option>
          ))}
        </select>
        <span>add</span>
        <EmotionSelect
          label="Emotion that is turned up"
          value={thermostat.with}
          names={names}
          onChange={(other) => change({ with: other })}
        />
        <span>up to</span>
        <select
          aria-label="Largest dose"
          value={thermostat.limit}
          onChange={(event) => change({ limit: Number(event.currentTarget.value) })}
        >
          {limits.map((limit) => (
            <option key={limit} value={limit}>
              {limit.toFixed(2)}
            </option>
          ))}
        </select>
      </div>
      <p class="small soft">
        Percentiles are of everyday text. The dose grows with the distance above.
      </p>
    </section>
  );
}
