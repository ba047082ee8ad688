/** @file Files in and out of the page: a download, a dropped or picked text file. */
import type { TargetedDragEvent } from 'preact';

/** Hands a file to the person; nothing leaves the machine. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: some browsers read the address after the click.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Largest transcript that the page opens; the server refuses texts over a million characters anyway. */
const largestFile = 16 * 1024 * 1024;

/** The text of a file; throws RangeError if it is too large for a transcript. */
export function readTextFile(file: File): Promise<string> {
  if (file.size > largestFile) {
    const size = Math.round(file.size / 1024 / 1024);
    throw new RangeError(`${file.name}: expected at most 16 MB, got ${size} MB`);
  }
  return file.text();
}

interface DropHandlers {
  readonly onDragOver: (event: TargetedDragEvent<HTMLElement>) => void;
  readonly onDragLeave: (event: TargetedDragEvent<HTMLElement>) => void;
  readonly onDrop: (event: TargetedDragEvent<HTMLElement>) => void;
}

/** Handlers that take a file that is dropped on an element, and mark the element while one is over it. */
export function dropHandlers(onFile: (file: File) => void): DropHandlers {
  const mark = (element: HTMLElement, isOver: boolean): void =>
    void element.classList.toggle('drop-here', isOver);
  return {
    onDragOver: (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      mark(event.currentTarget, true);
    },
    onDragLeave: (event) => mark(event.currentTarget, false),
    onDrop: (event) => {
      mark(event.currentTarget, false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      onFile(file);
    },
  };
}
