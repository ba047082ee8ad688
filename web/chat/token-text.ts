/**
 * @file The tokens of a message as elements, written straight into the document: what arrives is appended, what
 * is there already is never touched, so the cost of a token doesn't grow with the text.
 */
import { heatColour } from '../reading/scale.ts';
import type { Display } from './display.ts';
import { type Message, seriesOf } from './message.ts';

interface Drawing {
  readonly root: HTMLElement;
  readonly message: Message;
  readonly display: Display;
  spans: HTMLElement[];
  tokens: Message['tokens'];
  paragraph: HTMLElement | null;
  lit: HTMLElement | null;
}

function createSpan(drawing: Drawing, index: number, text: string): HTMLElement {
  const span = document.createElement('span');
  span.className = text.includes('\n') ? 'token ends' : 'token';
  span.dataset['testid'] = 'token';
  span.dataset['index'] = String(index);
  span.tabIndex = drawing.spans.length === 0 ? 0 : -1;
  span.textContent = text;
  return span;
}

function colourFrom(drawing: Drawing, start: number): void {
  const { message, display, spans } = drawing;
  const series = seriesOf(message, display.colour.get(), display.scale);
  for (let i = start; i < spans.length; i += 1) {
    const span = spans[i];
    if (span) span.style.backgroundColor = heatColour(series[i] ?? Number.NaN);
  }
}

/** Draws what is new; all of it, if the tokens were replaced. */
function append(drawing: Drawing): void {
  const { root, message } = drawing;
  if (drawing.tokens !== message.tokens) {
    drawing.tokens = message.tokens;
    drawing.spans = [];
    drawing.paragraph = null;
    root.replaceChildren();
  }
  const start = drawing.spans.length;
  for (let i = start; i < message.tokens.length; i += 1) {
    const text = message.tokens[i]?.text ?? '';
    // Lines are blocks of their own, so that a new token lays out its own line alone.
    if (!drawing.paragraph) {
      drawing.paragraph = document.createElement('div');
      root.append(drawing.paragraph);
    }
    const span = createSpan(drawing, i, text);
    drawing.spans.push(span);
    drawing.paragraph.append(span);
    if (text.endsWith('\n')) drawing.paragraph = null;
  }
  for (const { index } of message.events) drawing.spans[index]?.classList.add('event');
  colourFrom(drawing, start);
}

function light(drawing: Drawing): void {
  const selection = drawing.display.selection.get();
  const span =
    selection?.message === drawing.message ? (drawing.spans[selection.index] ?? null) : null;
  if (span === drawing.lit) return;
  drawing.lit?.classList.remove('lit');
  span?.classList.add('lit');
  drawing.lit = span;
}

/** Where the arrow keys go from a token; undefined for other keys. */
function targetOf(key: string, index: number, last: number): number | undefined {
  const targets: Record<string, number> = {
    ArrowRight: index + 1,
    ArrowLeft: index - 1,
    ArrowDown: index + 10,
    ArrowUp: index - 10,
    Home: 0,
    End: last,
  };
  const target = targets[key];
  return target === undefined ? undefined : Math.max(0, Math.min(last, target));
}

function indexOf(event: Event): number | null {
  const element = event.target instanceof Element ? event.target.closest('.token') : null;
  return element instanceof HTMLElement ? Number(element.dataset['index']) : null;
}

function listen(drawing: Drawing): () => void {
  const { root, message, display } = drawing;
  const select = (event: Event): void => {
    const index = indexOf(event);
    if (index !== null) display.selection.set({ message, index });
  };
  const focusIn = (event: Event): void => {
    const index = indexOf(event);
    for (const span of root.querySelectorAll<HTMLElement>('[tabindex="0"]')) span.tabIndex = -1;
    const span = drawing.spans[index ?? 0];
    if (span) span.tabIndex = 0;
    select(event);
  };
  const keyDown = (event: KeyboardEvent): void => {
    const index = indexOf(event);
    if (index === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const target = targetOf(event.key, index, drawing.spans.length - 1);
    if (target === undefined) return;
    event.preventDefault();
    drawing.spans[target]?.focus();
  };
  const press = (event: Event): void => {
    const span = drawing.spans[indexOf(event) ?? -1];
    if (span && getSelection()?.isCollapsed !== false) span.focus({ preventScroll: true });
  };
  root.addEventListener('pointerover', select);
  root.addEventListener('focusin', focusIn);
  root.addEventListener('keydown', keyDown);
  root.addEventListener('click', press);
  return () => {
    root.removeEventListener('pointerover', select);
    root.removeEventListener('focusin', focusIn);
    root.removeEventListener('keydown', keyDown);
    root.removeEventListener('click', press);
  };
}

/** Keeps `root` showing the message's tokens until the returned function is called. */
export function drawTokens(root: HTMLElement, message: Message, display: Display): () => void {
  const drawing: Drawing = {
    root,
    message,
    display,
    spans: [],
    tokens: [],
    paragraph: null,
    lit: null,
  };
  append(drawing);
  light(drawing);
  const ends = [
    message.changed.subscribe(() => {
      append(drawing);
      light(drawing);
    }),
    display.colour.subscribe(() => colourFrom(drawing, 0)),
    display.selection.subscribe(() => light(drawing)),
    listen(drawing),
  ];
  return () => {
    for (const end of ends) end();
    root.replaceChildren();
  };
}

/** Scrolls to a token of any message on the page and focuses it. */
export function focusToken(messageId: string, index: number): void {
  const box = document.querySelector(`[data-message="${CSS.escape(messageId)}"]`);
  const span = box?.querySelector<HTMLElement>(`[data-index="${index}"]`);
  span?.scrollIntoView({ block: 'center' });
  span?.focus({ preventScroll: true });
}
