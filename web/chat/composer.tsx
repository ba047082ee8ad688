/** @file Where a person writes, and the sampling of the next reply. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { type Store, useStore } from '../client/store.ts';
import { isForked } from './message.ts';
import type { Session } from './session.ts';
import type { Sampling } from './settings.ts';

interface NumberFieldProps {
  readonly label: string;
  readonly value: number | null;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly placeholder?: string;
  readonly onChange: (value: number | null) => void;
}

function NumberField({ label, value, onChange, ...rest }: NumberFieldProps): JSX.Element {
  return (
    <label class="field">
      {label}
      <input
        type="number"
        {...rest}
        value={value ?? ''}
        onChange={(event) => {
          const number = event.currentTarget.valueAsNumber;
          onChange(Number.isNaN(number) ? null : Math.max(rest.min, Math.min(rest.max, number)));
        }}
      />
    </label>
  );
}

function SamplingFields({ sampling }: { readonly sampling: Store<Sampling> }): JSX.Element {
  const value = useStore(sampling);
  const change = (part: Partial<Sampling>): void => sampling.set({ ...sampling.get(), ...part });
  return (
    <fieldset class="sampling">
      <legend class="unseen">Sampling</legend>
      <NumberField
        label="Temperature"
        value={value.temperature}
        min={0}
        max={5}
        step={0.1}
        onChange={(temperature) => change({ temperature: temperature ?? 0.7 })}
      />
      <NumberField
        label="Seed"
        value={value.seed}
        min={0}
        max={2 ** 31 - 1}
        step={1}
        placeholder="random"
        onChange={(seed) => change({ seed: seed === null ? null : Math.round(seed) })}
      />
      <NumberField
        label="Most tokens"
        value={value.maxTokens}
        min={1}
        max={8192}
        step={1}
        onChange={(most) => change({ maxTokens: Math.round(most ?? 256) })}
      />
      <label class="field">
        System message
        <textarea
          rows={2}
          value={value.system}
          onInput={(event) => change({ system: event.currentTarget.value })}
        />
      </label>
    </fieldset>
  );
}

interface ComposerProps {
  readonly session: Session;
  /** The text that is being written. */
  readonly draft: Store<string>;
}

function summaryOf({ temperature, seed, maxTokens, system }: Sampling): string {
  const parts = [`temperature ${temperature}`, seed === null ? 'random seed' : `seed ${seed}`];
  return [
    ...parts,
    `at most ${maxTokens} tokens`,
    ...(system.trim() ? ['system message'] : []),
  ].join(' · ');
}

/** Enter sends, Shift and Enter make a line, and an Enter that ends a composed letter does neither. */
export function Composer({ session, draft }: ComposerProps): JSX.Element {
  const { items, sampling, isBusy, send, stop } = session;
  const text = useStore(draft);
  const busy = useStore(isBusy);
  const values = useStore(sampling);
  const forked = isForked(useStore(items));
  const [isOpen, setOpen] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const canSend = text.trim() !== '' && !busy;
  useLayoutEffect(() => field.current?.focus({ preventScroll: true }), []);
  const submit = (): void => {
    if (!canSend) return;
    draft.set('');
    void send(text.trim());
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <div class="entry">
        <textarea
          ref={field}
          rows={1}
          data-testid="composer"
          aria-label="Message"
          placeholder={forked ? 'Message to both sides' : 'Message'}
          value={text}
          onInput={(event) => draft.set(event.currentTarget.value)}
          onKeyDown={(event) => {
            // 229: browsers that end a composition before they send the key.
            if (event.isComposing || event.keyCode === 229) return;
            if (event.key !== 'Enter' || event.shiftKey) return;
            event.preventDefault();
            submit();
          }}
        />
        {busy ? (
          <button type="button" data-testid="stop" onClick={stop}>
            Stop
          </button>
        ) : (
          <button type="submit" class="primary" data-testid="send" disabled={!canSend}>
            Send
          </button>
        )}
      </div>
      <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary class="small soft">{isOpen ? 'Sampling' : summaryOf(values)}</summary>
        {isOpen && <SamplingFields sampling={sampling} />}
      </details>
    </form>
  );
}
