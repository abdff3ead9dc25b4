// What the pages of a browser hear, they hear over one connection, because a browser has
// six to a server, and six pages would leave none for anything else. A page that nobody
// sees hears nothing, and goes on later where it was. docs/decisions/0032 says why.

import { Connection } from "./connection.js";
import { Member } from "./member.js";

const HIDDEN_MS = 20_000; // somebody who looks back and forth loses nothing
// Over plain HTTP from another machine there are no locks; then each page that is seen
// has a connection of its own.
const canShare = Boolean(navigator.locks && window.BroadcastChannel);

const readers = new Map();
let lastKey = 0;
let place = null; // where this page hears, while it does
let timer = 0;

// A reader: source, after (seq of the last line that it has), take(event), lost(since),
// refused(), and rested() when nothing is heard any more for a while.
export function hear(reader) {
  reader.key = ++lastKey;
  readers.set(reader.key, reader);
  if (place) place.want(reader.key, reader);
  else if (document.hidden) reader.rested();
  else enter();
}

export function leave(reader) {
  if (!readers.delete(reader.key)) return;
  place?.drop(reader.key);
  if (!readers.size) rest();
}

function look() {
  clearTimeout(timer);
  if (!document.hidden) enter();
  else if (place) timer = setTimeout(rest, canShare ? HIDDEN_MS : 0);
}

function enter() {
  if (place || !readers.size) return;
  place = canShare ? new Member(handOn) : new Alone();
  for (const [key, reader] of readers) place.want(key, reader);
}

function rest() {
  clearTimeout(timer);
  if (!place) return;
  place.leave();
  place = null;
  for (const reader of readers.values()) reader.rested();
}

function handOn({ key, event, lost, isRefused }) {
  if (event) readers.get(key)?.take(event);
  else if (lost) for (const reader of readers.values()) reader.lost(lost);
  else if (isRefused) for (const reader of readers.values()) reader.refused();
}

class Alone {
  constructor() {
    this.connection = new Connection({
      take: (key, event) => handOn({ key, event }),
      lost: (lost) => handOn({ lost }),
      refused: () => handOn({ isRefused: true }),
    });
  }

  want(key, { source, after }) {
    this.connection.want(key, source, after);
  }

  drop(key) {
    this.connection.drop(key);
  }

  leave() {
    this.connection.close();
  }
}

document.addEventListener("visibilitychange", look);
document.addEventListener("freeze", rest);
document.addEventListener("resume", look);
// A page that the browser keeps for the way back holds nothing meanwhile.
addEventListener("pagehide", rest);
addEventListener("pageshow", look);
