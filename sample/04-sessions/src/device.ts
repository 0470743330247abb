const BROWSERS: readonly [name: string, pattern: RegExp][] = [
  ['Edge', /Edg\//],
  ['Firefox', /Firefox\//],
  ['Chrome', /Chrome\//],
  ['Safari', /Safari\//],
  ['curl', /^curl\//],
];

const SYSTEMS: readonly [name: string, pattern: RegExp][] = [
  ['Android', /Android/],
  ['iOS', /iPhone|iPad/],
  ['macOS', /Mac OS X/],
  ['Windows', /Windows/],
  ['Linux', /Linux/],
];

/**
 * What a person recognises a device by, for the `data` of its session. A client can say of itself what it likes: it is a
 * reminder, and no evidence. Made of our own words alone, so that nothing of a header reaches a page.
 */
export function describeDevice(userAgent = ''): string {
  const browser = nameIn(BROWSERS, userAgent) ?? 'Unknown client';
  const system = nameIn(SYSTEMS, userAgent);
  return system ? `${browser} on ${system}` : browser;
}

function nameIn(names: readonly [name: string, pattern: RegExp][], text: string): string | undefined {
  return names.find(([, pattern]) => pattern.test(text))?.[0];
}
