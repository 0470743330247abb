/**
 * A decorator that adds to what a decorator of the same kind has said on the same class or handler: of rules that are
 * stacked none is lost, be they hidden in decorators of the application's own.
 *
 * @param add given what the decorators below it have said
 */
export function addRule<T>(key: string, add: (below: T | undefined) => T): MethodDecorator & ClassDecorator {
  return (target: object, _?: string | symbol, descriptor?: PropertyDescriptor): void => {
    const place = (descriptor?.value ?? target) as object;
    Reflect.defineMetadata(key, add(Reflect.getOwnMetadata(key, place) as T | undefined), place);
  };
}

/** All of the entries of both, each once, those of the upper decorator first. */
export function joinEntries<T>(upper: readonly T[], below: readonly T[] | undefined): readonly T[] {
  return Object.freeze([...new Set([...upper, ...(below ?? [])])]);
}
