/** @file Server-sent events from a response body, as much of the format as chat streams use. */

/** Cuts a text that arrives in pieces into the data of its events; a line may be split anywhere. */
export function createEventParser(): (piece: string) => string[] {
  let rest = '';
  let data: string[] = [];
  return (piece) => {
    const events: string[] = [];
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line === '') {
        if (data.length > 0) events.push(data.join('\n'));
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
    return events;
  };
}

/**
 * The data of a response's events as they arrive, up to and without `[DONE]`.
 * @yields the data of one event
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parse = createEventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const piece = value ? decoder.decode(value, { stream: true }) : decoder.decode();
      for (const data of parse(done ? `${piece}\n\n` : piece)) {
        if (data === '[DONE]') return;
        yield data;
      }
      if (done) return;
    }
  } finally {
    // Stops the model too, when the reader leaves early.
    await reader.cancel().catch(() => undefined);
  }
}
