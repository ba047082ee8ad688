/** @file What the list of runs and a single run both show: moments and reports. */
import type { Client } from '../client/client.ts';

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** A date of the log for people; as it is, if it is none. */
export function formatMoment(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return (text.includes('T') ? moment : day).format(date);
}

/** Opens a report in its own tab; through a request, because a link carries no token. */
export async function openReport(client: Client, id: string): Promise<void> {
  const tab = window.open('', '_blank');
  const url = URL.createObjectURL(await client.report(id));
  if (tab) tab.location.href = url;
}
