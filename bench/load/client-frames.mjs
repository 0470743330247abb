const MASK = [0x12, 0x34, 0x56, 0x78];

/** A masked frame of a client. */
export function clientFrame(payload, opcode = 1) {
  const body = Buffer.from(payload);
  const head =
    body.length < 126
      ? [0x80 | opcode, 0x80 | body.length]
      : [0x80 | opcode, 0x80 | 126, body.length >> 8, body.length & 255];
  return Buffer.from([...head, ...MASK, ...body.map((byte, index) => byte ^ MASK[index & 3])]);
}

/** The frame of a server, without a mask. */
export function serverFrame(payload) {
  const body = Buffer.from(payload);
  const head = body.length < 126 ? [0x81, body.length] : [0x81, 126, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from(head), body]);
}
