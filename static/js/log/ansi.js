// A message with ANSI escapes as pieces of text with classes: no HTML is made, and no
// style attribute, which the page's policy would refuse.

import { AnsiUp } from "../../vendor/ansi_up/ansi_up.js";

export const PLAIN = ""; // no colour is open

const STATES = ["bold", "faint", "italic", "underline", "inverse", "strike"];
const COLOURS = /\x1b\[[\d;]*m/g;
const RESETS = ["\x1b[0m", "\x1b[m"];
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

class Pieces extends AnsiUp {
  // What is open, as a text that can be compared.
  get open() {
    const { bold, faint, italic, underline, inverse, strike, fg, bg } = this;
    const all = { bold, faint, italic, underline, inverse, strike, fg, bg };
    return Object.values(all).some(Boolean) ? JSON.stringify(all) : PLAIN;
  }

  set open(open) {
    this.ansi_to_html(RESETS[0]);
    if (open) Object.assign(this, JSON.parse(open));
  }

  of(message, open) {
    this.open = open;
    this.found = [];
    this.ansi_to_html(message.replace(ESCAPES, onlyColoursAndLinks));
    // An escape that never ends: what follows it is text, and of this line.
    const rest = this._buffer.replaceAll("\x1b", "");
    this._buffer = "";
    if (rest) this.found.push(this.with_state({ text: rest }));
    return this.found;
  }

  // What the library does not know: 7 and 9, and their ends.
  process_ansi(packet) {
    super.process_ansi(packet);
    for (const code of codesOf(packet.text)) {
      if (!code) this.inverse = this.strike = false;
      else if (code === 7 || code === 27) this.inverse = code === 7;
      else if (code === 9 || code === 29) this.strike = code === 9;
    }
  }

  with_state(packet) {
    const { inverse, strike } = this;
    return { ...super.with_state(packet), inverse, strike };
  }

  transform_to_html(piece) {
    if (piece.text) this.found.push(piece);
    return "";
  }

  process_hyperlink({ url, text }) {
    const isAllowed = Object.hasOwn(this.url_allowlist, url.split(":")[0]);
    this.found.push({ ...this.with_state({ text }), url: isAllowed ? url : "" });
    return "";
  }
}

const pieces = new Pieces();

// Without the numbers of a colour: in 38;5;7 and 48;2;1;2;9 there is neither 7 nor 9.
function codesOf(words) {
  const codes = [];
  const left = words.split(";").map((word) => parseInt(word, 10) || 0);
  while (left.length) {
    const code = left.shift();
    if (code === 38 || code === 48) left.splice(0, { 5: 2, 2: 4 }[left[0]] ?? 0);
    else codes.push(code);
  }
  return codes;
}

// Others move a cursor or name a window: there is neither.
function onlyColoursAndLinks(escape) {
  return /^\x1b(\[[\d;]*m|\]8;)/.test(escape) ? escape : "";
}

export function plain(message) {
  return message.includes("\x1b") ? message.replace(ESCAPES, "") : message;
}

// The colours that are open behind a message that begins in some.
export function openBehind(message, open) {
  const last = message.lastIndexOf("\x1b[");
  if (last < 0) return open;
  if (RESETS.some((reset) => message.startsWith(reset, last))) return PLAIN;
  pieces.open = open;
  pieces.ansi_to_html((message.match(COLOURS) ?? []).join(""));
  return pieces.open;
}

// Elements for a message that begins in colours that are open; write(text, isLink) makes
// the nodes of one piece's text.
export function coloured(message, open, write) {
  return pieces.of(message, open).map((piece) => {
    const words = write(piece.text, Boolean(piece.url));
    const element = piece.url ? linkTo(piece.url, words) : document.createElement("span");
    if (!piece.url) element.append(...words);
    const names = STATES.filter((name) => piece[name]);
    element.className = names.map((name) => `ansi-${name}`).join(" ");
    // Grounds are paler than the colours of text, so what is turned round is looked up.
    const [fg, bg] = piece.inverse ? [piece.bg, piece.fg] : [piece.fg, piece.bg];
    if (bg) element.classList.remove("ansi-inverse");
    paint(element, "color", "fg", fg);
    paint(element, "backgroundColor", "bg", bg);
    return element;
  });
}

// What a program prints leads out of the product: that page learns nothing of this one.
export function linkTo(url, words) {
  const link = document.createElement("a");
  link.href = url;
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  link.append(...words);
  return link;
}

function paint(element, property, ground, colour) {
  if (!colour) return;
  if (colour.class_name === "truecolor") {
    element.style[property] = `rgb(${colour.rgb.join(",")})`;
  } else element.classList.add(`${colour.class_name}-${ground}`);
}
