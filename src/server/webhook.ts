/** @file Tells an address of the operator's about rules that fire; a reply never waits for it. */
import type { MonitorEvent } from '../api/chat.ts';
import type { Lab } from './lab.ts';

const timeoutMs = 3000;

interface Notice {
  readonly event: MonitorEvent;
  /** Id of the completion. */
  readonly reply: string;
  readonly model: string;
  /** ISO 8601. */
  readonly time: string;
}

/** Resolves when the call is over, whatever came of it; failures are counted. */
export async function notify(
  { webhook, metrics }: Pick<Lab, 'webhook' | 'metrics'>,
  notice: Notice,
): Promise<void> {
  if (webhook === undefined) return;
  try {
    const response = await fetch(webhook, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(notice),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    if (!response.ok) metrics.add('limbic_webhook_failures_total');
  } catch {
    metrics.add('limbic_webhook_failures_total');
  }
}
