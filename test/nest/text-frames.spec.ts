import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import { textFrame } from '../../lib/nest/text-frames.js';

const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };

/** The frame that ws itself makes of a text. */
function frameOfWs(text: string): Buffer {
  const options = { fin: true, opcode: 1, rsv1: false, mask: false, readOnly: false };
  return Buffer.concat(Sender.frame(Buffer.from(text), options));
}

const bytesOf = (frame: string | undefined): Buffer => Buffer.from(frame!, 'latin1');

describe('textFrame', () => {
  it.each([0, 1, 125, 126, 127, 255, 256, 16_384])('is what ws makes of %i bytes', (length) => {
    const text = 'x'.repeat(length);
    expect(bytesOf(textFrame(text))).toEqual(frameOfWs(text));
  });

  it.each([
    ['a letter of two bytes', 'é'],
    ['one of three', '漢字'],
    ['one of four', '🙂'],
    ['a lone surrogate', 'a\ud800b'],
    ['a NUL', '\0'],
    ['letters whose bytes are more than 125', 'é'.repeat(63)],
  ])('is what ws makes of %s', (_, text) => {
    expect(bytesOf(textFrame(text))).toEqual(frameOfWs(text));
  });

  it('is what ws makes of any text, joined to others too', () => {
    const texts = fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { maxLength: 5 });
    fc.assert(
      fc.property(texts, (all) => {
        const joined = all.map((text) => textFrame(text)).join('');
        expect(bytesOf(joined)).toEqual(Buffer.concat(all.map(frameOfWs)));
      }),
    );
  });

  it('leaves what is large to ws', () => {
    expect(textFrame('x'.repeat(16_385))).toBeUndefined();
    expect(textFrame('é'.repeat(8_193))).toBeUndefined();
  });
});
