/**
 * @file Writes docs/api.md from the declarations in dist/: everything that src/index.ts exports, with its docstring
 * and its signature, and below the types that those name. Build first. `node reproduce/api-docs.mjs [OUT]`; a test
 * compares the two. The compiler has no interface for programs in its version 7, so the declarations, which it
 * wrote itself and which are regular, are split here.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const out = process.argv[2] ?? 'docs/api.md';

/** The end of the text that begins at `i` and is no code: a comment or a quoted text; `i` itself where code is. */
function skipQuoted(text, i) {
  if (text.startsWith('/*', i)) return text.indexOf('*/', i) + 2;
  if (text.startsWith('//', i)) return text.indexOf('\n', i);
  const quote = text[i];
  if (!['"', "'", '`'].includes(quote)) return i;
  let end = i + 1;
  while (text[end] !== quote) end += text[end] === '\\' ? 2 : 1;
  return end + 1;
}

/** Where the statement that begins at `start` ends: at its `;`, or at the brace that closes an interface or a class. */
function endOfStatement(text, start) {
  const endsAtBrace = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|class) /.test(
    text.slice(start, start + 80),
  );
  let depth = 0;
  for (let i = start; i < text.length;) {
    const past = skipQuoted(text, i);
    if (past !== i) {
      i = past;
      continue;
    }
    if ('({['.includes(text[i])) depth++;
    if (')}]'.includes(text[i])) depth--;
    if (depth === 0 && (text[i] === ';' || (endsAtBrace && text[i] === '}'))) return i + 1;
    i++;
  }
  throw new Error(`declarations: expected an end of "${text.slice(start, start + 60)}", got none`);
}

/** Top-level statements of a declaration file, each with the comment right before it. */
function statementsOf(text) {
  const statements = [];
  let comment = '';
  for (let i = 0; i < text.length;) {
    if (/\s/.test(text[i])) {
      i++;
    } else if (text.startsWith('/*', i)) {
      const end = skipQuoted(text, i);
      comment = text.slice(i, end);
      i = end;
    } else {
      const end = endOfStatement(text, i);
      statements.push({ code: text.slice(i, end), comment });
      comment = '';
      i = end;
    }
  }
  return statements;
}

const declaration =
  /^(?<exported>export )?(?:declare )?(?:abstract )?(?<kind>interface|class|type|const|function) (?<name>\w+)/;
const listed = /^(?<word>import|export)(?: type)? \{(?<names>[^}]*)\} from '(?<from>\.[^']+)'/;
const starred = /^export (?:type )?\* from '(?<from>[^']+)'/;
const files = new Map();

/** A file of dist/ by its path without an ending: what it declares, imports by name, and passes on. */
function fileAt(path) {
  const known = files.get(path);
  if (known !== undefined) return known;
  const file = { path, declared: new Map(), imported: new Map(), passedOn: [] };
  files.set(path, file);
  const besides = (from) => normalize(join(dirname(path), from)).replace(/\.ts$/, '');
  for (const { code, comment } of statementsOf(readFileSync(`dist/${path}.d.ts`, 'utf8'))) {
    const named = declaration.exec(code)?.groups;
    if (named !== undefined) {
      const isExported = named.exported !== undefined;
      file.declared.set(named.name, { ...named, path, code, comment, isExported });
    }
    const all = starred.exec(code)?.groups;
    if (all !== undefined) file.passedOn.push({ from: besides(all.from), names: null });
    const some = listed.exec(code)?.groups;
    if (some === undefined) continue;
    const from = besides(some.from);
    const names = some.names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '');
    if (some.word === 'export') file.passedOn.push({ from, names });
    else for (const name of names) file.imported.set(name, from);
  }
  return file;
}

/** What `name` means in a file: its own declaration, or that of the file it is imported from. */
function lookUp(file, name) {
  const from = file.imported.get(name);
  return file.declared.get(name) ?? (from === undefined ? undefined : lookUp(fileAt(from), name));
}

/** Code without comments, for the names in it. */
const bare = (code) => code.replaceAll(/\/\*[\s\S]*?\*\//g, '');

/** Declarations that others name and that are not exported, each once, in the order in which they are named. */
function namedBy(entries) {
  const seen = new Set(entries);
  const found = [];
  const queue = [...entries];
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
    for (const [name] of bare(entry.code).matchAll(/\b[A-Za-z]\w*\b/g)) {
      const other = lookUp(fileAt(entry.path), name);
      // A property may be called like a function of its file; a signature names types and schemas only.
      const isNamed =
        other?.kind === 'const' ? entry.code.includes(`typeof ${name}`) : /^[A-Z]/.test(name);
      if (other === undefined || !isNamed || seen.has(other)) continue;
      seen.add(other);
      found.push(other);
      queue.push(other);
    }
  }
  return found;
}

/** A docstring as Markdown: tags become words, and signs that Markdown would take for its own are kept. */
function proseOf(comment) {
  const text = comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join('\n')
    .trim();
  const prose = text.replaceAll(/(?<code>`[^`]*`)|(?<sign>[*_<[\]])/g, (whole, code, sign) =>
    sign === undefined ? whole : `\\${sign}`,
  );
  return prose
    .replaceAll(/\s*@file /g, '')
    .replaceAll(
      /\s*@param (?<name>\w+) @default (?<what>.*)/g,
      ' `$<name>` is by default `$<what>`.',
    )
    .replaceAll(/\s*@param (?<name>\w+)/g, ' `$<name>`:')
    .trim();
}

/** The sentence that opens a source file; the compiler drops it where an import follows. */
function openingOf(path) {
  const opening = /\/\*\*\s*(?:\*\s*)?@file[\s\S]*?\*\//.exec(
    readFileSync(`src/${path}.ts`, 'utf8'),
  );
  return opening === null ? '' : `${proseOf(opening[0])}\n\n`;
}

function entryOf({ name, code, comment }) {
  const prose = comment === '' || comment.includes('@file') ? '' : `${proseOf(comment)}\n\n`;
  const signature = code.replace(/^export /, '').replace(/^declare /, '');
  return `### ${name}\n\n${prose}\`\`\`dts\n${signature}\n\`\`\`\n`;
}

const groups = fileAt('index').passedOn.map(({ from, names }) => {
  const { declared } = fileAt(from);
  const wanted = names ?? [...declared.values()].filter((d) => d.isExported).map((d) => d.name);
  const entries = wanted.map((name) => {
    const entry = declared.get(name);
    if (entry === undefined) throw new Error(`dist/${from}.d.ts: expected ${name}, found none`);
    return entry;
  });
  return { from, entries };
});
const exported = groups.flatMap(({ entries }) => entries);
const parts = groups.map(
  ({ from, entries }) => `## ${from}\n\n${openingOf(from)}${entries.map(entryOf).join('\n')}`,
);
const intro = `# The library, name by name

Everything that \`import … from 'limbic'\` gives, in the order of \`src/index.ts\`. Written from the docstrings by
\`node reproduce/api-docs.mjs\`. [library.md](library.md) shows how the parts go together.

`;
const rest = `## Types that these name

They have no name of their own in the package: \`Parameters<typeof readText>[3]\` and the like reach them.

${namedBy(exported).map(entryOf).join('\n')}`;
writeFileSync(out, intro + [...parts, rest].join('\n'));
