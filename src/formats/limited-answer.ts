/**
 * @file The answer of a server, no longer than a limit: a stranger's server can send without end, also a few bytes that
 * unpack to gigabytes, and whoever reads the whole of it takes memory for it.
 */

/** Bytes of an answer once it is unpacked, at most; a reply of 100,000 tokens stays below 1 MB. */
const answerLimit = 32e6;

/** What a body that is too long ends with. */
export class LongAnswer extends Error {
  override name = 'LongAnswer';
  constructor() {
    super(`an answer of more than ${answerLimit / 1e6} MB`);
  }
}

/** The same answer, whose body throws LongAnswer beyond the limit. A status that HTTP lacks becomes 599. */
export function limitAnswer(response: Response): Response {
  if (response.body === null) return response;
  let left = answerLimit;
  const limited = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      left -= chunk.length;
      if (left < 0) throw new LongAnswer();
      controller.enqueue(chunk);
    },
  });
  const { headers, status } = response;
  // What a new answer could not be made with is left out.
  const statusText = response.statusText.replaceAll(/[^\x20-\x7e]/g, ' ');
  const init = { headers, statusText, status: Math.min(status, 599) };
  return new Response(response.body.pipeThrough(limited), init);
}
