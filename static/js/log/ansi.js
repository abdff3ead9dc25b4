// A message with ANSI escapes as pieces of text with classes: no HTML is made, and no
// style attribute, which the page's policy would refuse.

import { AnsiUp } from "../../vendor/ansi_up/ansi_up.js";

export const PLAIN = ""; // no colour is open

const COLOURS = /\x1b\[[\d;]*m/g;
const RESETS = ["\x1b[0m", "\x1b[m"];
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

class Pieces extends AnsiUp {
  // What is open, as a text that can be compared.
  get open() {
    const { bold, faint, italic, underline, fg, bg } = this;
    const isPlain = !(bold || faint || italic || underline || fg || bg);
    return isPlain ? PLAIN : JSON.stringify({ bold, faint, italic, underline, fg, bg });
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

// Elements for a message that begins in colours that are open; write(text) makes the
// nodes of one piece's text.
export function coloured(message, open, write) {
  return pieces.of(message, open).map((piece) => {
    const element = document.createElement(piece.url ? "a" : "span");
    if (piece.url) {
      element.href = piece.url;
      element.rel = "noopener noreferrer";
    }
    const names = ["bold", "faint", "italic", "underline"].filter((name) => piece[name]);
    element.className = names.map((name) => `ansi-${name}`).join(" ");
    paint(element, "color", "fg", piece.fg);
    paint(element, "backgroundColor", "bg", piece.bg);
    element.append(...write(piece.text));
    return element;
  });
}

function paint(element, property, ground, colour) {
  if (!colour) return;
  if (colour.class_name === "truecolor") {
    element.style[property] = `rgb(${colour.rgb.join(",")})`;
  } else element.classList.add(`${colour.class_name}-${ground}`);
}
