/** @file The numbers of a study as people read them: lines on the terminal, and the report's page. */
import { renderTable } from '../charts/html.ts';
import { renderPage } from '../charts/page.ts';
import type { Measure, StudyResult } from '../studies/study.ts';
import { disclaimer } from './read.ts';

/** One line a measure. */
export function measuresInWords(measures: readonly Measure[]): string {
  const width = Math.max(...measures.map(({ name }) => name.length));
  return measures
    .map((measure) => {
      const { name, value, n, control, note } = measure;
      const number = value === null ? `not measured (${note ?? ''})` : value.toFixed(3);
      const range = intervalOf(measure);
      return `${name.padEnd(width)}  ${number}${range === '' ? '' : ` (95 % ${range})`}  n ${n}${control === undefined ? '' : `; ${control}`}`;
    })
    .join('\n');
}

/** The report: verdict and measures first, then the study's own sections. */
export function studyPage(
  { title, subtitle }: { readonly title: string; readonly subtitle: string },
  result: StudyResult,
): string {
  const table = renderTable(
    ['measure', 'value', '95 %', 'n', 'control', 'note'],
    result.measures.map((measure) => [
      measure.name,
      measure.value === null ? 'not measured' : measure.value.toFixed(3),
      intervalOf(measure),
      measure.n,
      measure.control ?? '',
      measure.note ?? '',
    ]),
  );
  return renderPage({
    title,
    subtitle,
    sections: [{ title: 'What came out', lead: result.verdict, body: table }, ...result.sections],
    footer: `${disclaimer} Made by limbic.`,
  });
}

function intervalOf({ interval }: Measure): string {
  return interval === undefined ? '' : `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`;
}
