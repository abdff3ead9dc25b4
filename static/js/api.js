// The REST API as the signed-in user.

import { showSignedOut } from "./session.js";
import { text } from "./text.js";

export class Problem extends Error {
  constructor({ title = "", detail = "", errors = {} }) {
    super(detail || title);
    this.errors = errors;
  }
}

// Resolves to the answer's JSON; to null where it can't be had now.
export async function get(path, options = {}) {
  try {
    const headers = { Accept: "application/json" };
    const answer = await fetch(path, { headers, ...options });
    showSignedOut(answer.status === 401);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const PATIENCE_MS = 4_000;

// The answer to something that somebody asked for. Where there is none after 4 s, say()
// is told why that may be; the request goes on, and is not sent twice.
export async function answered(request, say) {
  const timer = setTimeout(() => say(text("noAnswerYet")), PATIENCE_MS);
  try {
    return await request;
  } finally {
    clearTimeout(timer);
  }
}

// Resolves to the answer's JSON; throws Problem where the server says no, and
// TypeError where it can't be reached.
export function post(path, body) {
  return send("POST", path, body);
}

// The same, for what is to be taken away.
export function remove(path) {
  return send("DELETE", path);
}

async function send(method, path, body) {
  const token = document.querySelector('input[name="csrfmiddlewaretoken"]').value;
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  const data = isJson ? await answer.json() : {};
  if (answer.status === 401) {
    showSignedOut(true);
    throw new Problem({ detail: text("signInFirst") });
  }
  if (!answer.ok) {
    throw new Problem({ title: `${answer.status} ${answer.statusText}`, ...data });
  }
  return data;
}
