/** @file Runs: what was logged on this machine, and one of them opened. */
import type { JSX } from 'preact';

import type { RunSummary } from '../../src/api/lab.ts';
import type { Session } from '../chat/session.ts';
import type { Client } from '../client/client.ts';
import { Failure, useLoaded, Waiting } from '../controls/loading.tsx';
import { formatHash } from './routes.ts';
import { formatMoment, openReport } from './run-facts.ts';
import { RunPage } from './run-page.tsx';

interface RunsViewProps {
  readonly session: Session;
  readonly id: string | null;
}

function RunTable({
  runs,
  client,
}: {
  readonly runs: readonly RunSummary[];
  readonly client: Client;
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
                  <button
                    type="button"
                    class="quiet"
                    onClick={() => void openReport(client, run.id)}
                  >
                    Open
                  </button>
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

function RunList({ client }: { readonly client: Client }): JSX.Element {
  const { value, problem, retry } = useLoaded(() => client.runs(), 'runs');
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
      {value && value.length > 0 && <RunTable runs={value} client={client} />}
    </div>
  );
}

export function RunsView({ session, id }: RunsViewProps): JSX.Element {
  if (id === null) return <RunList client={session.client} />;
  return <RunPage key={id} session={session} id={id} />;
}
