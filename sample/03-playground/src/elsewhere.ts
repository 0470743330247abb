/** What another device has done, request by request. */
export interface Elsewhere {
  readonly steps: readonly string[];
  readonly status: number;
}

/** A second login of the same user ends a session through the library's own endpoint, then logs out. */
export async function endFromElsewhere(base: string, username: string, ref: string): Promise<Elsewhere> {
  const steps: string[] = [];
  const request = async (method: string, path: string, init: RequestInit = {}): Promise<Response> => {
    const response = await fetch(`${base}${path}`, { method, ...init });
    steps.push(`${method} ${path} → ${response.status}`);
    return response;
  };
  const login = await request('POST', '/login', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username }),
  });
  const headers = { cookie: login.headers.getSetCookie()[0]!.split(';', 1)[0]! };
  const { status } = await request('DELETE', `/ws-auth/sessions/${ref}`, { headers });
  await request('POST', '/ws-auth/logout', { headers });
  return { steps, status };
}
