import type { RawData } from 'ws';

/** The bytes of a frame, in whichever form `binaryType` has it. */
export function byteLengthOf(data: RawData): number {
  if (!Array.isArray(data)) return data.byteLength;
  return data.reduce((sum, part) => sum + part.byteLength, 0);
}

/** The frame as one Buffer; of what is one already, no copy. */
export function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
