// Whether the lines that this browser got are those that the service stored: their
// SHA-256 against the one that the end of the task says.

import { text } from "../text.js";
import { messagesOf } from "./whole.js";

const MOST_LINES = 10_000; // of which all are read

export class Seal {
  constructor(place, api, lines) {
    Object.assign(this, { place, api, lines });
  }

  // Only where the page is safe do browsers count digests.
  async check({ logCount, logSha256 }) {
    if (!logSha256 || !logCount || logCount > MOST_LINES || !globalThis.crypto?.subtle) return;
    const messages = await messagesOf(this.api, this.lines, logCount);
    if (!messages) return;
    this.show((await digestOf(messages)) === logSha256, logSha256);
  }

  show(isSame, digest) {
    this.place.hidden = false;
    this.place.dataset.state = isSame ? "same" : "other";
    this.place.textContent = isSame ? `✓ ${text("sealed")}` : `✕ ${text("notSealed")}`;
    this.place.title = text(isSame ? "sealedBy" : "notSealedBy", { digest });
  }
}

async function digestOf(messages) {
  const bytes = new TextEncoder().encode(messages.map((message) => `${message}\n`).join(""));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
