// A message with ANSI escapes as pieces of text with classes: no HTML is made, and no
// style attribute, which the page's policy would refuse.

import { AnsiUp } from "../../vendor/ansi_up/ansi_up.js";

const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

class Pieces extends AnsiUp {
  of(message) {
    this.found = [];
    this.ansi_to_html(`\x1b[0m${message.replace(ESCAPES, onlyColoursAndLinks)}`);
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

// Elements for a message; write(text) makes the nodes of one piece's text.
export function coloured(message, write) {
  return pieces.of(message).map((piece) => {
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
