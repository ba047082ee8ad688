/** @file The parts of a Markdown file that tests look at: links, anchors, fenced blocks, shell commands. */
import { readFileSync } from 'node:fs';

export interface Block {
  readonly file: string;
  /** Line of the file on which it begins, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a file. */
export function blocksOf(file: string): Block[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)\n```$/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] ?? '',
    text: match[2] ?? '',
  }));
}

/** The text between the fenced blocks. */
function prose(file: string): string {
  return readFileSync(file, 'utf8').replaceAll(/^```\w*\n[\s\S]*?\n```$/gm, '');
}

/** What stands in backticks in the text. */
export function inlineCode(file: string): string[] {
  return [...prose(file).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** Addresses of links and pictures. */
export function linksOf(file: string): string[] {
  const text = prose(file).replaceAll(/`[^`\n]*`/g, '`');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, href = '']) => href);
}

/** The anchors that GitHub gives to the headings of a file. */
export function anchorsOf(file: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...prose(file).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => {
    const words = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replaceAll(/(^|\W)_([^_]+)_(?=\W|$)/g, '$1$2')
      .toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
  return new Set(anchors);
}

/** Where the quoted text or substitution that begins at `i` ends, and what it stands for. */
function quoted(script: string, i: number): { text: string; end: number } {
  const closing = script[i] === '$' ? ')' : (script[i] ?? '');
  let [text, end] = ['', script[i] === '$' ? i + 2 : i + 1];
  while (end < script.length && script[end] !== closing) {
    if (closing === '"' && script.startsWith('$(', end)) {
      const inner = quoted(script, end);
      text += inner.text;
      end = inner.end;
      continue;
    }
    if (closing === '"' && script[end] === '\\') end++;
    text += script[end++] ?? '';
  }
  return { text, end: end + 1 };
}

/** The simple commands of a shell script as lists of words; enough of the grammar for what the documentation has. */
export function shellCommands(script: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | null = null;
  const endWord = (): void => {
    if (word !== null) commands.at(-1)?.push(word);
    word = null;
  };
  for (let i = 0; i < script.length;) {
    const sign = script[i] ?? '';
    if (sign === '\\' && script[i + 1] === '\n') {
      i += 2;
    } else if (sign === '#' && word === null) {
      while (i < script.length && script[i] !== '\n') i++;
    } else if ('\n;|&'.includes(sign)) {
      endWord();
      commands.push([]);
      i++;
    } else if (' \t'.includes(sign)) {
      endWord();
      i++;
    } else if ('\'"'.includes(sign) || script.startsWith('$(', i)) {
      const { text, end } = quoted(script, i);
      word = `${word ?? ''}${text}`;
      i = end;
    } else {
      word = `${word ?? ''}${sign}`;
      i++;
    }
  }
  endWord();
  return commands.filter(({ length }) => length > 0);
}

/** The arguments of those commands that call limbic, in any of its ways. */
export function limbicCalls(script: string): string[][] {
  return shellCommands(script).flatMap((words) => {
    const redirection = [...words, '>'].findIndex((word) => /^\d?>/.test(word));
    const own = words.slice(
      words.findIndex((word) => !/^\w+=/.test(word)),
      redirection,
    );
    if (own[0] === '$') own.shift();
    if (own[0] === 'npx' && own[1] === 'limbic') return [own.slice(2)];
    if (own[0] === 'node' && own[1] === 'dist/cli/main.js') return [own.slice(2)];
    return own[0] === 'limbic' ? [own.slice(1)] : [];
  });
}
