/** A GGUF of version 3 with one F32 tensor of 8 values, built by hand from the format's description. */
export function tinyGguf(architecture = 'llama'): Buffer {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
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
  const tensor = Buffer.concat([text('x'), u32(1), u64(8), u32(0), u64(0)]);
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(1),
    u64(keys.length),
    ...keys,
    tensor,
  ]);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), Buffer.alloc(32)]);
}
