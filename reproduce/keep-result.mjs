/**
 * @file Keeps what `limbic run --json` printed: PREFIX.json.part becomes PREFIX.json, without paths of this
 * machine, and the run's report becomes PREFIX.html.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [prefix, settings, judge = ''] = process.argv.slice(2);
const { path, ...result } = JSON.parse(readFileSync(`${prefix}.json.part`, 'utf8'));
const [, model, study] = prefix.split('/');
const command = `limbic run ${study} --model ${model}${settings === '' ? '' : ` --set '${settings}'`}${judge === '' ? '' : ` --judge ${judge}`}`;
const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'));
const { fingerprint, packHash, limbicVersion, started } = manifest;
writeFileSync(
  `${prefix}.json`,
  `${JSON.stringify({ command, fingerprint, packHash, limbicVersion, started, ...result }, null, 2)}\n`,
);
copyFileSync(join(path, 'report.html'), `${prefix}.html`);
rmSync(`${prefix}.json.part`);
