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

// Resolves to the answer's JSON; throws Problem where the server says no, and
// TypeError where it can't be reached.
export async function post(path, body) {
  const token = document.querySelector('input[name="csrfmiddlewaretoken"]').value;
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, {
    method: "POST",
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
