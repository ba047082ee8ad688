/** @file The token that is pointed at: its strongest emotions, its probability, and what else could have come. */
import type { ComponentChildren, JSX } from 'preact';

import { useStore } from '../client/store.ts';
import { formatSigned, fullColour, heatColour, share, standardise } from '../reading/scale.ts';
import { formatPercent, type Token, visibleText } from '../reading/token.ts';
import type { Display } from './display.ts';

/** A bar from the middle to either side, full at 4 standard deviations. */
function HeatBar({ value }: { readonly value: number }): JSX.Element {
  const width = Math.abs(share(value, fullColour)) * 50;
  return (
    <span class="track centred" aria-hidden="true">
      <i
        style={{
          left: value < 0 ? `${50 - width}%` : '50%',
          width: `${width}%`,
          backgroundColor: heatColour(value < 0 ? -fullColour : fullColour),
        }}
      />
    </span>
  );
}

function Bars(props: {
  readonly label: string;
  readonly rows: readonly (readonly [string, number])[];
}): JSX.Element {
  return (
    <div class="bars" role="group" aria-label={props.label}>
      {props.rows.map(([name, value]) => (
        <>
          <span title={name}>{name}</span>
          <HeatBar value={value} />
          <output>{formatSigned(value)}</output>
        </>
      ))}
    </div>
  );
}

function Alternatives({ token }: { readonly token: Token }): JSX.Element | null {
  const { alternatives } = token;
  if (!alternatives || alternatives.length === 0) return null;
  return (
    <>
      <h3>Could have come here</h3>
      <div class="bars" role="group" aria-label="Alternatives">
        {alternatives.map((alternative) => {
          const chance = Math.exp(alternative.logprob);
          return (
            <>
              <span class="mono">
                {alternative.token === token.token ? (
                  <b>{visibleText(alternative.text)}</b>
                ) : (
                  visibleText(alternative.text)
                )}
              </span>
              <span class="track" aria-hidden="true">
                <i style={{ left: '0', width: `${chance * 100}%` }} />
              </span>
              <output>{formatPercent(chance)}</output>
            </>
          );
        })}
      </div>
    </>
  );
}

interface InspectorProps {
  readonly display: Display;
  /** Shown while no token is selected. */
  readonly children?: ComponentChildren;
}

/** The panel of the selected token. */
export function Inspector({ display, children }: InspectorProps): JSX.Element {
  const selection = useStore(display.selection);
  const colour = useStore(display.colour);
  const token = selection?.message.tokens[selection.index];
  if (!selection || !token) {
    return (
      <section class="inspector" aria-label="Token">
        <h2>Token</h2>
        <p class="soft">Point at a token, or move through them with the arrow keys.</p>
        {children}
      </section>
    );
  }
  const reading = standardise(token.readouts[colour], display.scale.get(colour));
  return (
    <section class="inspector" aria-label="Token">
      <header>
        <h2 class="shown-token">{visibleText(token.text)}</h2>
        <span class="small soft">
          {selection.message.role} {selection.index}
        </span>
      </header>
      <p class="small soft">
        {colour} {formatSigned(reading)} sd
        {token.logprob !== undefined &&
          `, probability ${formatPercent(Math.exp(token.logprob))} (log ${formatSigned(token.logprob, 2)})`}
      </p>
      {token.top && token.top.length > 0 && (
        <>
          <h3>Strongest of {display.names.length}</h3>
          <Bars label="Strongest emotions" rows={token.top} />
        </>
      )}
      <Alternatives token={token} />
      {token.steer && (
        <p class="small soft">
          Thermostat:{' '}
          {Object.entries(token.steer)
            .map(([name, dose]) => `${name} ${formatSigned(dose, 3)}`)
            .join(', ')}
        </p>
      )}
    </section>
  );
}
