/** @file Writes results/README.md: the measures of every committed result, by study, the models side by side. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const models = ['smollm2-135m', 'qwen2.5-coder-0.5b', 'qwen2.5-coder-1.5b'];
const studies = [
  'scenarios',
  'intensity',
  'speakers',
  'binding',
  'preferences',
  'cheating',
  'leverage',
  'sycophancy',
  'frustration',
  'encouragement',
  'judge',
  'injection',
];

/** Measures of a study in the table; the reports have all. */
const shown = 60;

const cellOf = (measure) => {
  if (measure === undefined) return '';
  const { value, interval, n } = measure;
  if (value === null) return `not measured (n ${n})`;
  const range =
    interval === undefined ? '' : ` (${interval.map((v) => v.toFixed(3)).join(' to ')})`;
  return `${value.toFixed(3)}${range}, n ${n}`;
};

const parts = [
  '# Results\n\nMade by `reproduce/results.sh`, written here by `node reproduce/results-table.mjs`. Value, 95 % interval, n; the controls and what each number means stand in the reports. Readings are of internal representations; nothing here shows that a model feels anything.',
];
for (const study of studies) {
  const found = models.flatMap((model) => {
    const path = `results/${model}/${study}.json`;
    return existsSync(path) ? [{ model, ...JSON.parse(readFileSync(path, 'utf8')) }] : [];
  });
  if (found.length === 0) continue;
  const names = [...new Set(found.flatMap(({ measures }) => measures.map(({ name }) => name)))];
  const verdicts = found.map(
    ({ model, verdict, command }) =>
      `- **${model}** ([report](${model}/${study}.html), [numbers](${model}/${study}.json), \`${command}\`): ${verdict}`,
  );
  const rows = names
    .slice(0, shown)
    .map(
      (name) =>
        `| ${name} | ${found.map(({ measures }) => cellOf(measures.find((m) => m.name === name))).join(' | ')} |`,
    );
  const rest =
    names.length > shown ? `\n\n${names.length - shown} more measures are in the reports.` : '';
  parts.push(
    `## ${study}\n\n${verdicts.join('\n')}\n\n| measure | ${found.map(({ model }) => model).join(' | ')} |\n| --- |${' --- |'.repeat(found.length)}\n${rows.join('\n')}${rest}`,
  );
}
writeFileSync('results/README.md', `${parts.join('\n\n')}\n`);
