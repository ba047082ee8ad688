/** @file What the model hub says of a repository's files, through its own client. */
import { fileDownloadInfo, listFiles } from '@huggingface/hub';

import { NotFoundError, UnavailableError } from '../errors.ts';

function access(): { hubUrl?: string; accessToken?: string } {
  const endpoint = process.env['HF_ENDPOINT'];
  const token = process.env['HF_TOKEN'];
  return { ...(endpoint ? { hubUrl: endpoint } : {}), ...(token ? { accessToken: token } : {}) };
}

/** Size in bytes; the hub gives a content hash only for large files, and null stands for none. */
export async function fileInfo(
  repo: string,
  file: string,
): Promise<{ bytes: number; sha256: string | null }> {
  const info = await asking(repo, () => fileDownloadInfo({ repo, path: file, ...access() }));
  if (info === null) throw new NotFoundError(`hub ${repo}`, file);
  const hash = /^"?([0-9a-f]{64})"?$/.exec(info.etag);
  return { bytes: info.size, sha256: hash?.[1] ?? null };
}

/** Name of the smallest 4-bit GGUF of a repository. */
export async function files(repo: string): Promise<string> {
  const found: { path: string; size: number }[] = [];
  await asking(repo, async () => {
    for await (const { path, size } of listFiles({ repo, ...access() })) {
      if (/q4.*\.gguf$/i.test(path) && !/-of-\d+/.test(path)) found.push({ path, size });
    }
  });
  const [smallest] = found.toSorted((a, b) => a.size - b.size);
  if (smallest === undefined) throw new NotFoundError(`hub ${repo}`, '*q4*.gguf');
  return smallest.path;
}

async function asking<T>(repo: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    throw new UnavailableError(
      `hub: could not ask about ${repo} (${cause instanceof Error ? cause.message : String(cause)})`,
      {
        cause,
        hint: 'check the network, or pass a file that you have with --model path.gguf',
      },
    );
  }
}
