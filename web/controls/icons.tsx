/** @file The few icons of the page, 16 units a side, in the colour of their text. */
import type { ComponentChildren, JSX } from 'preact';

function Icon({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.4"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export function CloseIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M4 4l8 8M12 4l-8 8" />
    </Icon>
  );
}

export function ShareIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M8 10V2M5 4.5L8 2l3 2.5M3 8v5.5h10V8" />
    </Icon>
  );
}

/** Half light, half dark. */
export function ThemeIcon(): JSX.Element {
  return (
    <Icon>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" />
    </Icon>
  );
}

export function HelpIcon(): JSX.Element {
  return (
    <Icon>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.3 6.2a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.9.7-.9 1.4M8 11.4v.1" />
    </Icon>
  );
}

export function PlayIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M5 3.2v9.6L12.5 8z" fill="currentColor" />
    </Icon>
  );
}

export function PauseIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M5.5 3.5v9M10.5 3.5v9" stroke-width="2.4" />
    </Icon>
  );
}
