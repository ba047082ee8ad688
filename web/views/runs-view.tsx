/** @file Runs: what was logged on this machine, and one of them opened. */
import type { JSX } from 'preact';

import type { RunSummary } from '../../src/api/lab.ts';
import type { Session } from '../chat/session.ts';
import { Failure, useLoaded, Waiting } from '../controls/loading.tsx';
import { formatMoment } from './format-moment.ts';
import { ReportLink } from './report-link.tsx';
import { formatHash } from './routes.ts';
import { RunPage } from './run-page.tsx';

interface RunsViewProps {
  readonly session: Session;
  readonly id: string | null;
}

function RunTable({
  runs,
  session,
}: {
  readonly runs: readonly RunSummary[];
  readonly session: Session;
}): JSX.Element {
  return (
    <div class="table-scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">Kind</th>
            <th scope="col">Model</th>
            <th scope="col">Started</th>
            <th scope="col">Status</th>
            <th scope="col" class="number">
              Records
            </th>
            <th scope="col">Report</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              <td>
                <a href={formatHash('runs', run.id)}>{run.title || run.id}</a>
              </td>
              <td>{run.kind}</td>
              <td>{run.model}</td>
              <td>{formatMoment(run.started)}</td>
              <td>
                <span class={`status ${run.status}`}>{run.status}</span>
              </td>
              <td class="number">{run.records}</td>
              <td>
                {run.hasReport ? (
                  <ReportLink session={session} id={run.id} />
                ) : (
                  <span class="soft">–</span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunList({ session }: { readonly session: Session }): JSX.Element {
  const { value, problem, retry } = useLoaded(() => session.client.runs(), 'runs');
  return (
    <div class="page">
      <header>
        <h1>Runs</h1>
        <span class="soft">logged on this machine</span>
      </header>
      {problem && <Failure problem={problem} onRetry={retry} />}
      {!value && !problem && <Waiting what="Looking for runs" />}
      {value?.length === 0 && (
        <div class="empty">
          <h2>No runs yet</h2>
          <p>Studies and conversations that limbic logs on this machine are listed here.</p>
        </div>
      )}
      {value && value.length > 0 && <RunTable runs={value} session={session} />}
    </div>
  );
}

export function RunsView({ session, id }: RunsViewProps): JSX.Element {
  if (id === null) return <RunList session={session} />;
  return <RunPage key={id} session={session} id={id} />;
}
