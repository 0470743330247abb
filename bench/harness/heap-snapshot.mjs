import { readFileSync } from 'node:fs';

/** What grew between two heap snapshots, by the name of the object: how many more there are, and how many bytes. */
export function compareSnapshots(before, after, count = 30) {
  const grown = readSnapshot(after);
  for (const [name, { objects, bytes }] of readSnapshot(before)) {
    const entry = grown.get(name);
    if (!entry) continue;
    entry.objects -= objects;
    entry.bytes -= bytes;
  }
  return [...grown]
    .map(([name, growth]) => ({ name, ...growth }))
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, count);
}

function readSnapshot(file) {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, 'utf8'));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field));
  const sizes = new Map();
  for (let node = 0; node < nodes.length; node += fields.length) {
    const kind = types[type][nodes[node + type]];
    // Strings and numbers each have a name of their own.
    const isValue = kind.includes('string') || kind === 'number';
    const key = isValue ? `(${kind})` : `${strings[nodes[node + name]].slice(0, 60)} (${kind})`;
    const entry = sizes.get(key) ?? { objects: 0, bytes: 0 };
    sizes.set(key, entry);
    entry.objects += 1;
    entry.bytes += nodes[node + size];
  }
  return sizes;
}
