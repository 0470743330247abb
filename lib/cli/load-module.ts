import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DynamicModule, Type } from '@nestjs/common';
import { CommandFailed } from './command-line.js';

/** What Nest takes for a module. */
export type LoadedModule = Type | DynamicModule;

/** Keys of Nest's own metadata: what `@Module()` is given. */
const MODULE_METADATA = ['imports', 'providers', 'controllers', 'exports'];

/**
 * Loads the module class out of a compiled file.
 *
 * @param place a path, and behind `#` the name of the export; left out, `AppModule`, the default export, or the only module
 * @throws {CommandFailed} when there is no such file or export
 */
export async function loadModule(place: string): Promise<LoadedModule> {
  const [path = '', name] = place.split('#', 2);
  const file = resolve(path);
  if (!existsSync(file)) throw new CommandFailed(`there is no file ${path}; is the application compiled?`);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new CommandFailed(`${path} cannot be loaded: ${firstLine(error)}`);
  }
  const found = name === undefined ? choose(exported) : exported[name];
  // One that is named need not say anything in its @Module().
  if (isModule(found) || (name !== undefined && typeof found === 'function')) return found as LoadedModule;
  throw new CommandFailed(
    name === undefined
      ? `${path} exports no single Nest module: name one, as in ${path}#AppModule`
      : `${path} exports no Nest module of the name "${name}"`,
  );
}

/** The first line of what went wrong. */
export function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n', 1)[0]! : 'unknown';
}

function choose(exported: Readonly<Record<string, unknown>>): unknown {
  for (const name of ['AppModule', 'default']) if (isModule(exported[name])) return exported[name];
  const modules = Object.values(exported).filter(isModule);
  return modules.length === 1 ? modules[0] : undefined;
}

/** A dynamic module has its contents beside the class, whose own `@Module()` may well be empty. */
function isModule(value: unknown): value is LoadedModule {
  if (typeof value === 'object' && value !== null)
    return typeof (value as { module?: unknown }).module === 'function';
  return typeof value === 'function' && MODULE_METADATA.some((key) => Reflect.hasMetadata(key, value));
}
