/**
 * Puts a guard, interceptor or filter in front of those that a class has, whatever the order of its decorators: our guard
 * runs before the application's, and the application's filters are asked before ours.
 */
export function prependEnhancer(key: string, enhancer: unknown, target: object): void {
  const others = (Reflect.getOwnMetadata(key, target) ?? []) as unknown[];
  Reflect.defineMetadata(key, [enhancer, ...others.filter((other) => other !== enhancer)], target);
}
