/**
 * Puts texts between their markers, `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; what else the document says stays.
 *
 * @param sections texts by the name of the marker
 * @returns the new text; `missing`: names without markers there; `left`: markers for which there is no text
 * @throws when a marker is opened twice, or not closed
 */
export function fillMarkers(document, sections) {
  const names = [...document.matchAll(/<!-- bench:([\w-]+) -->/g)].map(([, name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new Error(`the marker <!-- bench:${twice} --> stands there twice`);
  const unclosed = names.find((name) => !document.includes(closing(name)));
  if (unclosed)
    throw new Error(`the marker <!-- bench:${unclosed} --> has no ${closing(unclosed)} behind it`);
  let text = document;
  for (const name of names.filter((one) => sections[one] !== undefined)) {
    const begin = text.indexOf(opening(name)) + opening(name).length;
    const end = text.indexOf(closing(name), begin);
    if (end < 0) throw new Error(`${closing(name)} stands before its <!-- bench:${name} -->`);
    text = `${text.slice(0, begin)}\n\n${sections[name].trim()}\n\n${text.slice(end)}`;
  }
  return {
    text,
    missing: Object.keys(sections).filter((name) => !names.includes(name)),
    left: names.filter((name) => sections[name] === undefined),
  };
}

function opening(name) {
  return `<!-- bench:${name} -->`;
}

function closing(name) {
  return `<!-- /bench:${name} -->`;
}
