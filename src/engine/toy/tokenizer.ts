/** @file Bytes as tokens, and three control tokens. */

export const bos = 256;
const startOfTurn = 257;
export const endOfTurn = 258;
export const vocabulary = 259;

const control: ReadonlyMap<string, number> = new Map([
  ['<|bos|>', bos],
  ['<|im_start|>', startOfTurn],
  ['<|im_end|>', endOfTurn],
]);
const names = new Map([...control].map(([text, token]) => [token, text]));

/** Token ids, 0 to 258. */
export function tokenizeBytes(
  text: string,
  addSpecial: boolean,
  parseSpecial: boolean,
): Int32Array {
  const parts = parseSpecial ? text.split(/(<\|bos\|>|<\|im_start\|>|<\|im_end\|>)/) : [text];
  const ids = parts.flatMap((part) => {
    const id = parseSpecial ? control.get(part) : undefined;
    return id === undefined ? [...Buffer.from(part)] : [id];
  });
  return Int32Array.from(addSpecial ? [bos, ...ids] : ids);
}

/** The byte of a token, or the text of a control token. */
export function pieceOf(token: number): Uint8Array {
  return token < 256 ? Uint8Array.of(token) : Buffer.from(names.get(token) ?? '');
}
