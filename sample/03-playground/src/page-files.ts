import { readFileSync } from 'node:fs';

/** A file of the page, and what it is. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

export function readPage(name: string): PageFile {
  return {
    type: TYPES[name.split('.').pop()!]!,
    text: readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8'),
  };
}
