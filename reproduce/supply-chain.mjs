/**
 * @file Writes what a user gets beside our own code, as package-lock.json has it: sbom.cdx.json (CycloneDX 1.5) and
 * docs/licences.md. Fails for a licence that is unknown or not on the list. Neither file has a time in it, so that a
 * test can compare. `node reproduce/supply-chain.mjs [FOLDER [LOCK]]`
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '.', lockPath = 'package-lock.json'] = process.argv.slice(2);

/** Licences that ask for no more than their text: no copyleft, nothing for some uses only. */
const allowed = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT']);
/** Packages whose code vite puts into dist/web: they ship, though nobody installs them. */
const bundled = ['preact'];
/**
 * What the lock has no licence for, as its registry did not serve them; those of the same release that it did serve
 * and their common repository are MIT.
 */
const told = new Map(
  ['mac-arm64-metal', 'mac-x64', 'win-arm64', 'win-x64'].map((name) => [
    `@node-llama-cpp/${name}`,
    'MIT',
  ]),
);

const { packages } = JSON.parse(readFileSync(lockPath, 'utf8'));
const root = packages[''];
const nameOf = (path) => path.split('node_modules/').at(-1);
const refOf = (path) => `${nameOf(path)}@${packages[path].version}`;
const byName = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** One licence, or several of which the user may choose; throws for what is not on the list. */
function assertAllowed(name, licence) {
  const choices = (licence ?? '').replaceAll(/[()]/g, '').split(' OR ');
  if (choices.some((choice) => choice.split(' AND ').every((one) => allowed.has(one)))) return;
  throw new Error(
    `${name}: expected one of the licences ${[...allowed].join(', ')}, got ${licence ?? 'none'}`,
  );
}

/** Path in the lock of what `from` gets for a name, as Node looks it up; undefined if it is not there. */
function resolved(from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (at === '') return undefined;
  }
}

function dependenciesOf(path) {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packages[path];
  const names = Object.keys({ ...peerDependencies, ...dependencies, ...optionalDependencies });
  const own = path === '' ? [...names, ...bundled] : names;
  const paths = own.map((name) => resolved(path, name)).filter((found) => shipped.has(found));
  return [...new Set(paths.map(refOf))].toSorted(byName);
}

/** `sha512-BASE64` as CycloneDX has it, in hexadecimal digits. */
function digestOf(integrity) {
  const [algorithm = '', base64 = ''] = integrity.split('-');
  return {
    alg: algorithm.toUpperCase().replace('SHA', 'SHA-'),
    content: Buffer.from(base64, 'base64').toString('hex'),
  };
}

const purlOf = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`;
const licenceOf = (path) => packages[path].license ?? told.get(nameOf(path));
const shipped = new Set(
  Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && (dev !== true || bundled.includes(nameOf(path))))
    .map(([path]) => path),
);

function componentOf(path) {
  const { version, integrity, optional } = packages[path];
  const licence = licenceOf(path);
  const isExpression = licence.includes(' ');
  return {
    type: 'library',
    'bom-ref': refOf(path),
    name: nameOf(path),
    version,
    scope: optional === true ? 'optional' : 'required',
    ...(integrity === undefined ? {} : { hashes: [digestOf(integrity)] }),
    licenses: [isExpression ? { expression: licence } : { license: { id: licence } }],
    purl: purlOf(nameOf(path), version),
  };
}

/** A name for the document that is the same for the same content: 122 bits of its hash, in the shape of a UUID. */
function serialOf(content) {
  const hex = createHash('sha256').update(content).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return `urn:uuid:${parts.join('-')}-${hex.slice(20, 32)}`;
}

function sbomOf(paths) {
  const own = `${root.name}@${root.version}`;
  const content = {
    metadata: {
      component: {
        type: 'application',
        'bom-ref': own,
        name: root.name,
        version: root.version,
        licenses: [{ license: { id: root.license } }],
        purl: purlOf(root.name, root.version),
      },
    },
    components: paths.map(componentOf),
    dependencies: [
      { ref: own, dependsOn: dependenciesOf('') },
      ...paths.map((path) => ({ ref: refOf(path), dependsOn: dependenciesOf(path) })),
    ],
  };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: serialOf(JSON.stringify(content)),
    version: 1,
    ...content,
  };
}

function isNative({ os, cpu, hasInstallScript }) {
  return os !== undefined || cpu !== undefined || hasInstallScript === true;
}

function licencesOf(paths) {
  const rows = paths.map((path) => {
    const name = nameOf(path);
    const kinds = [
      ...(isNative(packages[path]) ? ['native'] : []),
      ...(packages[path].optional === true ? ['optional'] : []),
      ...(bundled.includes(name) ? ['in dist/web'] : []),
      ...(told.has(name) ? ['licence from its repository'] : []),
    ];
    return `| ${name} | ${packages[path].version} | ${licenceOf(path)} | ${kinds.join(', ')} |`;
  });
  const counts = new Map();
  for (const path of paths) counts.set(licenceOf(path), (counts.get(licenceOf(path)) ?? 0) + 1);
  const summary = [...counts]
    .toSorted(([a], [b]) => byName(a, b))
    .map(([licence, n]) => `${n} ${licence}`);
  return `# Licences of what limbic installs

Written by \`reproduce/supply-chain.mjs\` from package-lock.json, which fails for any other licence than
${[...allowed].join(', ')}. ${paths.length} packages: ${summary.join(', ')}.
The @node-llama-cpp packages hold llama.cpp (MIT), the @jitl packages QuickJS (MIT).

| package | version | licence | note |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

for (const path of shipped) assertAllowed(nameOf(path), licenceOf(path));
// Two places in node_modules may hold the same version.
const paths = [...new Map([...shipped].map((path) => [refOf(path), path])).values()].toSorted(
  (a, b) => byName(refOf(a), refOf(b)),
);
mkdirSync(join(folder, 'docs'), { recursive: true });
writeFileSync(join(folder, 'sbom.cdx.json'), `${JSON.stringify(sbomOf(paths), null, 2)}\n`);
writeFileSync(join(folder, 'docs', 'licences.md'), licencesOf(paths));
