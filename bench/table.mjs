/**
 * @file The tables of docs/performance.md, from what `limbic bench --all --json` wrote for some models.
 *
 * Usage: node bench/table.mjs RESULT.json RESULT.json ...
 */
import { readFileSync } from 'node:fs';

const results = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
const row = (cells) => `| ${cells.join(' | ')} |`;
/** The same work has other counts of layers in each model. */
const workOf = (name) =>
  name.replace(/all \d+ layers/, 'all layers').replace(/layers to \d+ \(/, 'layers (');
const works = [...new Set(results.flatMap(({ result }) => result.map(({ name }) => workOf(name))))];

console.log(row(['model', 'architecture', 'reading', 'threads', 'rounds', 'fingerprint']));
console.log(row(Array.from({ length: 6 }, () => '---')));
for (const { model, quantisation, architecture, reading, threads, rounds, fingerprint } of results)
  console.log(
    row([`${model} (${quantisation})`, architecture, reading, threads, rounds, fingerprint]),
  );
console.log();
console.log(row(['ratio to bare', ...results.map(({ model }) => model)]));
console.log(row(['---', ...results.map(() => '---:')]));
for (const work of works) {
  const cells = results.map(({ result }) => {
    const found = result.find(({ name }) => workOf(name) === work);
    if (found === undefined) return '';
    const { name, baseline, ratio, least, most, tokensPerSecond } = found;
    return name === baseline
      ? `${tokensPerSecond.toFixed(0)} tokens/s`
      : `${ratio.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
  });
  console.log(row([work, ...cells]));
}
