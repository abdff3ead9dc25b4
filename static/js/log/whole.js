// All messages of a log that is not too long, of which the page may hold a part already.

import { get } from "../api.js";

const PAGE_LINES = 2_000;

// Null where they can't be had now.
export async function messagesOf(api, lines, count) {
  const messages = [];
  while (messages.length < count) {
    const held = lines.get(messages.length + 1);
    if (held) messages.push(held.message);
    else {
      const range = `after=${messages.length}&limit=${PAGE_LINES}`;
      const answer = await get(`${api}/logs?${range}`);
      if (!answer?.logs.length) return null;
      messages.push(...answer.logs.map((line) => line.message));
    }
  }
  return messages.slice(0, count);
}
