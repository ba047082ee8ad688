/** An unsigned number of 32 bits, as GGUF has it. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/**
 * A GGUF of version 3 with one F32 tensor of 8 values and one of 4 norm weights, built by hand from the
 * format's description. `first` and `norm` are their first values.
 */
export function tinyGguf(architecture = 'llama', { first = 0, norm = 0 } = {}): Buffer {
  const u64 = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const text = (value: string): Buffer =>
    Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  const keys: Buffer[] = [
    Buffer.concat([text('general.architecture'), u32(8), text(architecture)]),
    Buffer.concat([text(`${architecture}.block_count`), u32(4), u32(2)]),
    Buffer.concat([text(`${architecture}.embedding_length`), u32(4), u32(8)]),
    Buffer.concat([text(`${architecture}.context_length`), u32(4), u32(64)]),
    Buffer.concat([text('tokenizer.ggml.tokens'), u32(9), u32(8), u64(2), text('a'), text('b')]),
    Buffer.concat([text('tokenizer.chat_template'), u32(8), text('{{ messages }}')]),
  ];
  const tensors = [
    Buffer.concat([text('x'), u32(1), u64(8), u32(0), u64(0)]),
    Buffer.concat([text('output_norm.weight'), u32(1), u64(4), u32(0), u64(32)]),
  ];
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(keys.length),
    ...keys,
    ...tensors,
  ]);
  const data = Buffer.alloc(48);
  data.writeFloatLE(first, 0);
  data.writeFloatLE(norm, 32);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), data]);
}
