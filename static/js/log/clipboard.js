// Lines onto the clipboard, read from the server where the page holds none of them.

import { get } from "../api.js";
import { plain } from "./ansi.js";

export const MOST_COPIED = 10_000; // lines

// The messages of lines from one to another; null where the server can't be asked now.
// filter: of the query
export async function messagesBetween(api, from, to, filter = "") {
  const lines = [];
  for (let after = from - 1; after !== null; ) {
    const range = `after=${after}&before=${to + 1}&limit=${MOST_COPIED}`;
    const answer = await get(`${api}/logs?${range}${filter && `&${filter}`}`);
    if (!answer) return null;
    lines.push(...answer.logs);
    after = answer.next;
  }
  return lines.map(({ seq, message }) => ({ seq, message: plain(message) }));
}

// Without TLS browsers have no clipboard for pages, except by this old way.
export async function toClipboard(words) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(words).then(
      () => true,
      () => false,
    );
  }
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = words;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  return isDone;
}
