// The addresses of the web in a text: plain text around them, and what a link leads to.

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;
const BEHIND = /[.,;:!?*_~\]}>）。，；：！？】》」]+$/; // of the sentence, not of the address

// Pieces in their order: {text, url}, url "" where it is none. isCut: the text goes on.
export function withAddresses(words, isCut = false) {
  if (!words.includes("://")) return [{ text: words, url: "" }];
  const pieces = [];
  let at = 0;
  for (const { 0: found, index } of words.matchAll(ADDRESS)) {
    const url = trimmed(found);
    if (isCut && index + found.length === words.length) continue;
    pieces.push({ text: words.slice(at, index), url: "" }, { text: url, url });
    at = index + url.length;
  }
  pieces.push({ text: words.slice(at), url: "" });
  return pieces.filter((piece) => piece.text);
}

// A bracket at its end belongs to it only where one opens in it.
function trimmed(url) {
  const bare = url.replace(BEHIND, "");
  if (!bare.endsWith(")")) return bare;
  const opens = bare.split("(").length;
  const closes = bare.split(")").length;
  return closes > opens ? trimmed(bare.slice(0, -1)) : bare;
}
