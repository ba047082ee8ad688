/** @file Counts and times of the server in the text format of Prometheus (exposition format 0.0.4). */

const counters = {
  limbic_requests_total: 'Requests by route and status.',
  limbic_tokens_generated_total: 'Tokens written.',
  limbic_prompt_tokens_total:
    'Tokens of prompts, by where they came from, of replies that no rule stopped.',
  limbic_engine_restarts_total: 'Times the engine failed under running replies.',
  limbic_events_total: 'Monitor events by kind and rule.',
  limbic_webhook_failures_total: 'Webhook calls that failed.',
  limbic_log_failures_total: 'Log records that could not be written.',
  limbic_internal_errors_total: 'Errors that nobody foresaw.',
} as const;
const histograms = {
  limbic_time_to_first_token_seconds: {
    help: 'From the arrival of a request to the first token of its reply.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
  },
  limbic_reply_tokens_per_second: {
    help: 'Speed of a reply after its first token.',
    buckets: [1, 2, 5, 10, 20, 30, 50, 75, 100, 200, 500],
  },
} as const;
type Counter = keyof typeof counters;
type HistogramName = keyof typeof histograms;
type Labels = Readonly<Record<string, string | number>>;

export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

export class Metrics {
  readonly #counts = new Map<Counter, Map<string, number>>();
  readonly #histograms = new Map<HistogramName, Histogram>();

  add(name: Counter, labels: Labels = {}, by = 1): void {
    const series = this.#counts.get(name) ?? new Map<string, number>();
    this.#counts.set(name, series);
    const key = formatLabels(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  observe(name: HistogramName, value: number): void {
    const { buckets } = histograms[name];
    const histogram = this.#histograms.get(name) ?? {
      counts: buckets.map(() => 0),
      sum: 0,
      count: 0,
    };
    this.#histograms.set(name, histogram);
    for (const [i, bound] of buckets.entries())
      if (value <= bound) histogram.counts[i] = (histogram.counts[i] ?? 0) + 1;
    histogram.sum += value;
    histogram.count++;
  }

  /** Everything as text; the gauges are read by the caller at that moment. */
  format(gauges: readonly Gauge[]): string {
    const lines = gauges.flatMap(({ name, help, value }) => [
      ...head(name, help, 'gauge'),
      `${name} ${value}`,
    ]);
    for (const [name, help] of Object.entries(counters)) {
      lines.push(...head(name, help, 'counter'));
      const series = this.#counts.get(name as Counter) ?? new Map([['', 0]]);
      for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
    }
    for (const [name, { help, buckets }] of Object.entries(histograms)) {
      const { counts, sum, count } = this.#histograms.get(name as HistogramName) ?? {
        counts: [],
        sum: 0,
        count: 0,
      };
      lines.push(...head(name, help, 'histogram'));
      for (const [i, bound] of buckets.entries())
        lines.push(`${name}_bucket{le="${bound}"} ${counts[i] ?? 0}`);
      lines.push(`${name}_bucket{le="+Inf"} ${count}`, `${name}_sum ${sum}`);
      lines.push(`${name}_count ${count}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

function head(name: string, help: string, type: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** `{route="/health",status="200"}`, or nothing without labels. */
function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${String(value)
        .replaceAll('\\', '\\\\')
        .replaceAll('"', String.raw`\"`)
        .replaceAll('\n', String.raw`\n`)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
