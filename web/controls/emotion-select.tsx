/** @file A choice of one emotion, the shown ones first. */
import type { JSX } from 'preact';

interface EmotionSelectProps {
  readonly label: string;
  readonly value: string;
  readonly names: readonly string[];
  /** Listed first, in a group of their own. */
  readonly first?: readonly string[];
  readonly onChange: (name: string) => void;
  readonly id?: string;
}

export function EmotionSelect(props: EmotionSelectProps): JSX.Element {
  const { label, value, names, first = [], onChange, id } = props;
  return (
    <select
      {...(id ? { id } : {})}
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {first.length > 0 && (
        <optgroup label="shown">
          {first.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </optgroup>
      )}
      <optgroup label={first.length > 0 ? 'all' : 'emotions'}>
        {names
          .filter((name) => !first.includes(name))
          .map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
      </optgroup>
    </select>
  );
}
