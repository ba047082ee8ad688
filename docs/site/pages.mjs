/** @file Which pages the site has, in which order, and where each file of the repository lies in it. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** The side of every page: title and files. What no list names comes under the last one. */
export const sections = [
  {
    title: 'Begin',
    pages: ['docs/index.md', 'docs/first-hour.md', 'docs/concepts.md', 'docs/papers.md'],
  },
  {
    title: 'Use',
    pages: ['docs/studies.md', 'docs/server.md', 'docs/library.md', 'docs/cli.md', 'docs/api.md'],
  },
  { title: 'Extend', pages: ['docs/add-a-study.md', 'docs/add-an-engine.md', 'CONTRIBUTING.md'] },
  {
    title: 'Numbers',
    pages: ['results/README.md', 'docs/measurements.md', 'docs/recipe.md', 'docs/features.md'],
  },
  { title: 'Project', pages: ['README.md', 'CHANGELOG.md', 'THREATS.md', 'docs/decisions'] },
];

/** Short names where a page's own title is long. */
export const shortTitles = {
  'docs/index.md': 'What limbic is',
  'docs/papers.md': 'The papers, finding by finding',
  'docs/features.md': 'Status by result',
  'docs/cli.md': 'Commands',
  'docs/api.md': 'Library, name by name',
  'results/README.md': 'Results',
  'README.md': 'README',
  'docs/decisions': 'Decisions',
};

/** The files that are pages whether or not one links to them. */
export function knownPages() {
  const inDocs = readdirSync('docs', { recursive: true })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file));
  return [...sections.flatMap(({ pages }) => pages), ...inDocs.toSorted()];
}

/** Where a file or folder of the repository lies in the site. */
export function placeOf(file) {
  if (file.endsWith('.md')) {
    const path = file.replace(/^docs\//, '').replace(/\.md$/, '');
    return `${path.replace(/\/README$/, '').toLowerCase()}.html`;
  }
  if (statSync(file).isDirectory()) return `${file.replace(/^docs\//, '')}.html`;
  // Source would be downloaded or played as a film; as text it is shown.
  return /\.(ts|tsx|mjs|sh|wat)$/.test(file) ? `files/${file}.txt` : `files/${file}`;
}

/**
 * A link of a file to {file, address}: `address` is relative to the file's page and `file` what it leads to, null
 * for addresses elsewhere. Throws where nothing is.
 */
export function resolveLink(from, href) {
  if (/^[a-z][a-z+.-]*:/i.test(href)) return { file: null, address: href };
  const [path = '', anchor] = href.split('#');
  const file =
    path === '' ? from : normalize(join(dirname(from), decodeURI(path))).replace(/\/$/, '');
  if (file.startsWith('..') || !existsSync(file))
    throw new Error(`${from}: expected a file at "${href}", found none`);
  const page = path === '' ? '' : relative(dirname(placeOf(from)), placeOf(file));
  return { file, address: anchor === undefined ? page : `${page}#${anchor}` };
}
