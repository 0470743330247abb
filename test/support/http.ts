import type { TestApp } from './app.js';

/** Makes a request to the HTTP side of an application. */
export function request(
  test: TestApp,
  method: string,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${test.port}${path}`, { redirect: 'manual', ...init, method });
}

/** Sends a JSON body. */
export function post(
  test: TestApp,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Response> {
  if (body === undefined) return request(test, 'POST', path, { headers });
  return request(test, 'POST', path, {
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}
