/** @file A text field that finds one of many emotions, after the combobox pattern of the ARIA practices guide. */
import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

interface ComboboxProps {
  readonly label: string;
  readonly placeholder: string;
  readonly names: readonly string[];
  readonly onPick: (name: string) => void;
  /** Opens the list above the field. */
  readonly opensUp?: boolean;
}

/** Names that contain the words, those that begin with them first. */
export function findNames(names: readonly string[], text: string): string[] {
  const wanted = text.trim().toLowerCase();
  const found = names.filter((name) => name.toLowerCase().includes(wanted));
  return found.toSorted(
    (a, b) =>
      Number(b.toLowerCase().startsWith(wanted)) - Number(a.toLowerCase().startsWith(wanted)),
  );
}

interface OptionsProps {
  readonly id: string;
  /** Null while the list is closed. */
  readonly found: readonly string[] | null;
  readonly active: number;
  readonly opensUp: boolean;
  readonly onPick: (name: string) => void;
}

function optionId(id: string, i: number): string {
  return `${id}-${i}`;
}

function Options({ id, found, active, opensUp, onPick }: OptionsProps): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [active, found === null]);
  return (
    <ul
      class={opensUp ? 'options up' : 'options'}
      id={`${id}-list`}
      role="listbox"
      aria-label="Found"
      hidden={found === null}
      ref={list}
    >
      {found?.map((name, i) => (
        <li
          key={name}
          id={optionId(id, i)}
          role="option"
          aria-selected={i === active}
          // The field keeps its focus, without which the list would close before the click.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onPick(name)}
        >
          {name}
        </li>
      ))}
      {found?.length === 0 && (
        <li class="none" role="option" aria-selected={false} aria-disabled>
          no such emotion
        </li>
      )}
    </ul>
  );
}

/** The field and its list. Picking clears the field. */
export function Combobox({
  label,
  placeholder,
  names,
  onPick,
  opensUp,
}: ComboboxProps): JSX.Element {
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const id = useId();
  const found = findNames(names, text);
  const pick = (name: string | undefined): void => {
    if (name === undefined) return;
    setText('');
    setOpen(false);
    setActive(0);
    onPick(name);
  };
  const keyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setOpen(true);
      setActive((active + (isOpen ? step : 0) + found.length) % Math.max(1, found.length));
    } else if (event.key === 'Enter' && isOpen) {
      event.preventDefault();
      pick(found[active]);
    } else if (event.key === 'Escape' && isOpen) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  return (
    <div class="combobox">
      <input
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        {...(isOpen && found.length > 0 ? { 'aria-activedescendant': optionId(id, active) } : {})}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setActive(0);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={keyDown}
      />
      <Options
        id={id}
        found={isOpen ? found : null}
        active={active}
        opensUp={opensUp === true}
        onPick={pick}
      />
    </div>
  );
}
