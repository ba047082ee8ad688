/** @file The numbers of a study as people read them: lines on the terminal, and the report's page. */
import { renderTable } from '../charts/html.ts';
import { renderPage } from '../charts/page.ts';
import type { Measure, StudyResult } from '../studies/study.ts';
import type { ChatNames } from './chat-lab.ts';
import { disclaimer } from './reading-output.ts';

/** A run that came to its end, with its numbers. */
export interface FinishedStudy {
  readonly run: string;
  /** The run's folder. */
  readonly path: string;
  /** Only of a study that talks. */
  readonly models?: ChatNames;
  readonly params: object;
  /** US dollars, by the prices given or listed; only of a study that talks. */
  readonly spent?: number;
  readonly verdict: string;
  readonly measures: readonly Measure[];
}

/** Prints it as JSON, or as lines with the verdict, the cost and where the report is. */
export function printStudy(finished: FinishedStudy, isJson: boolean): void {
  if (isJson) {
    console.log(JSON.stringify(finished, null, 2));
    return;
  }
  const { path, spent = 0, verdict, measures } = finished;
  const cost = spent > 0 ? `\ncost: $${spent.toFixed(4)} by the prices given or listed` : '';
  console.log(`${measuresInWords(measures)}\n\n${verdict}${cost}\nreport: ${path}/report.html`);
}

/** One line a measure. */
function measuresInWords(measures: readonly Measure[]): string {
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
