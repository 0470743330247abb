/** Makes an element. Text only ever becomes text: the page's policy allows nothing that would read it as markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') element.textContent = value;
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Tells those who listen to the page what has happened. */
export function announce(text) {
  byId('status').textContent = text;
}
