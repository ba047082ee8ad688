/** @file The way to the report of a run: its own page, or a file where the server asks for a token. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import type { Session } from '../chat/session.ts';
import { problemOf } from '../client/client.ts';
import { saveFile } from '../controls/files.ts';

interface ReportLinkProps {
  readonly session: Session;
  readonly id: string;
}

/**
 * A link carries no token, and a report that this page opened for itself would be under this page's policy, which
 * forbids the report's style and script. So it is then saved.
 */
export function ReportLink({ session, id }: ReportLinkProps): JSX.Element {
  const [problem, setProblem] = useState<string | null>(null);
  if (!session.lab.needsToken) {
    return (
      <a href={`/api/runs/${encodeURIComponent(id)}/report`} target="_blank" rel="noopener">
        Open the report
      </a>
    );
  }
  const save = async (): Promise<void> => {
    setProblem(null);
    try {
      saveFile(`${id}.html`, await session.client.report(id));
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <>
      <button type="button" class="quiet" onClick={() => void save()}>
        Save the report
      </button>
      {problem && <span role="alert">{problem}</span>}
    </>
  );
}
