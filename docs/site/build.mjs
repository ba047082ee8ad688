/**
 * @file Builds the documentation as pages that open from the disk, without a server and without the network:
 * `node docs/site/build.mjs [FOLDER]`, to be run in the repository's folder. Pages are the Markdown files of docs/
 * and what they link to; other files that they link to are copied.
 */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

import { escapeHtml, renderMarkdown } from './markdown.mjs';
import { knownPages, placeOf, resolveLink, sections, shortTitles } from './pages.mjs';

const out = process.argv[2] ?? 'dist-docs';

/** A folder that is linked to, as a list of its pages. */
function listing(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.md'));
  const lines = files.toSorted().map((file) => {
    const [title = file] = readFileSync(join(folder, file), 'utf8').split('\n');
    return `- [${title.replace(/^# /, '')}](${basename(folder)}/${file})`;
  });
  const name = basename(folder);
  return `# ${name[0].toUpperCase()}${name.slice(1)}\n\n${lines.join('\n')}\n`;
}

/** Renders the known pages and every page that one of them leads to; gives the other files to copy. */
function collect() {
  const pages = new Map();
  const copies = new Set();
  const queue = knownPages();
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    if (pages.has(file)) continue;
    const isFolder = statSync(file).isDirectory();
    // The links of a listing stand beside the folder, as its page does.
    const text = isFolder ? listing(file) : readFileSync(file, 'utf8');
    const rewrite = (href) => {
      const { file: target, address } = resolveLink(file, href);
      if (target !== null && target !== file) {
        if (target.endsWith('.md') || statSync(target).isDirectory()) queue.push(target);
        else copies.add(target);
      }
      return address;
    };
    pages.set(file, renderMarkdown(text, rewrite));
  }
  return { pages, copies };
}

/** The list of pages at the side, as links from one of them. */
function navigation(pages, from) {
  const named = new Set(sections.flatMap(({ pages: files }) => files));
  // Decisions have a list of their own.
  const others = [...pages.keys()].filter(
    (file) => !named.has(file) && !file.startsWith('docs/decisions'),
  );
  const all = sections.map(({ title, pages: files }, i) => ({
    title,
    files: i === sections.length - 1 ? [...files, ...others] : files,
  }));
  const link = (file) => {
    const address = relative(dirname(placeOf(from)), placeOf(file));
    const here = file === from ? ' aria-current="page"' : '';
    const title = shortTitles[file] ?? pages.get(file).title;
    return `<li><a href="${escapeHtml(address)}"${here}>${escapeHtml(title)}</a></li>`;
  };
  return all
    .map(({ title, files }) => `<h2>${title}</h2><ul>${files.map(link).join('')}</ul>`)
    .join('\n');
}

/** Links to the sections of a page that has several. */
function contents({ headings }) {
  const inside = headings.filter(({ depth }) => depth === 2);
  if (inside.length < 3) return '';
  const links = inside.map(({ id, text }) => `<li><a href="#${id}">${escapeHtml(text)}</a></li>`);
  return `<details class="contents"><summary>On this page</summary><ul>${links.join('')}</ul></details>`;
}

/** A whole page. */
function document(pages, file) {
  const page = pages.get(file);
  const root = relative(dirname(placeOf(file)), '.') || '.';
  const title = file === 'docs/index.md' ? 'limbic' : `${page.title} · limbic`;
  const [heading, ...rest] = page.html.split('</h1>');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${root}/site.css">
</head>
<body data-root="${root}">
<a class="skip" href="#text">Skip to the text</a>
<header>
<a class="name" href="${root}/index.html">limbic</a>
<form role="search" hidden><label for="search">Search headings</label>
<input id="search" type="search" autocomplete="off" aria-controls="found"><p id="count" role="status"></p><ul id="found"></ul></form>
</header>
<div class="columns">
<nav aria-label="Pages">
${navigation(pages, file)}
</nav>
<main id="text" tabindex="-1">
${heading}</h1>
${contents(page)}
${rest.join('</h1>')}
</main>
</div>
<script src="${root}/headings.js"></script>
<script src="${root}/search.js"></script>
</body>
</html>
`;
}

const { pages, copies } = collect();
rmSync(out, { recursive: true, force: true });
const write = (place, text) => {
  mkdirSync(dirname(join(out, place)), { recursive: true });
  writeFileSync(join(out, place), text);
};
for (const file of pages.keys()) write(placeOf(file), document(pages, file));
for (const file of copies) cpSync(file, join(out, placeOf(file)));
for (const name of ['site.css', 'search.js'])
  write(name, readFileSync(`docs/site/${name}`, 'utf8'));
const found = [...pages].flatMap(([file, { title, headings }]) =>
  headings.map(({ text, id }) => [text, shortTitles[file] ?? title, `${placeOf(file)}#${id}`]),
);
write('headings.js', `globalThis.headings = ${JSON.stringify(found)};\n`);
console.log(`${pages.size} pages, ${copies.size} other files: ${join(out, 'index.html')}`);
