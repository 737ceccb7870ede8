// Asking the bridge. What it refuses comes as a Problem with its own words (RFC 9457).

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.title = body?.title ?? "";
    this.errors = body?.errors ?? [];
  }
}

async function ask(path, options) {
  const answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  const body = answer.headers.get("content-type")?.includes("json") ? await answer.json() : null;
  if (!answer.ok) throw new Problem(answer.status, body);
  return body;
}

/** GET a path below this server. Throws Problem when refused, TypeError when nobody answers. */
export function get(path, signal) {
  return ask(path, { signal });
}

/** Change something: the header tells the bridge that it was this page that asked. */
export function send(method, path, body) {
  const headers = { "x-pantau": "1" };
  if (body !== undefined) headers["content-type"] = "application/json";
  return ask(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}
