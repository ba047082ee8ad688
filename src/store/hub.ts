/** @file What the model hub says of a repository's files, through its own client. */
import { fileDownloadInfo, listFiles } from '@huggingface/hub';

import { NotFoundError, UnavailableError } from '../errors.ts';

/** Milliseconds for each answer about a repository; these are small. */
const answerTimeoutMs = 5000;

function access(signal: AbortSignal | undefined): {
  hubUrl?: string;
  accessToken?: string;
  fetch: typeof fetch;
} {
  const endpoint = process.env['HF_ENDPOINT'];
  const token = process.env['HF_TOKEN'];
  return {
    ...(endpoint ? { hubUrl: endpoint } : {}),
    ...(token ? { accessToken: token } : {}),
    fetch: (input, init) => {
      const limit = AbortSignal.timeout(answerTimeoutMs);
      return fetch(input, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
    },
  };
}

/** Size in bytes; the hub gives a content hash only for large files, and null stands for none. */
export async function fileInfo(
  repo: string,
  file: string,
  signal?: AbortSignal,
): Promise<{ bytes: number; sha256: string | null }> {
  const info = await asking(repo, signal, () =>
    fileDownloadInfo({ repo, path: file, ...access(signal) }),
  );
  if (info === null) throw new NotFoundError(`hub ${repo}`, file);
  const hash = /^"?([0-9a-f]{64})"?$/.exec(info.etag);
  return { bytes: info.size, sha256: hash?.[1] ?? null };
}

/** Name of the smallest 4-bit GGUF of a repository. */
export async function files(repo: string, signal?: AbortSignal): Promise<string> {
  const found: { path: string; size: number }[] = [];
  await asking(repo, signal, async () => {
    for await (const { path, size } of listFiles({ repo, ...access(signal) })) {
      if (/q4.*\.gguf$/i.test(path) && !/-of-\d+/.test(path)) found.push({ path, size });
    }
  });
  const [smallest] = found.toSorted((a, b) => a.size - b.size);
  if (smallest === undefined) throw new NotFoundError(`hub ${repo}`, '*q4*.gguf');
  return smallest.path;
}

async function asking<T>(
  repo: string,
  signal: AbortSignal | undefined,
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    signal?.throwIfAborted();
    throw new UnavailableError(
      `hub: could not ask about ${repo} (${cause instanceof Error ? cause.message : String(cause)})`,
      {
        cause,
        hint: 'check the network, or pass a file that you have with --model path.gguf',
      },
    );
  }
}
