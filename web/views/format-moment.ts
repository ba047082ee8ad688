/** @file Moments of the log as people read them. */

const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const moment = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** A date of the log for people; as it is, if it is none. */
export function formatMoment(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return (text.includes('T') ? moment : day).format(date);
}
