/** Loads a module of the bench, which is plain JavaScript without declarations. */
export async function benchModule<Exports>(file: string): Promise<Exports> {
  return (await import(new URL(`../../bench/${file}`, import.meta.url).href)) as Exports;
}
