// Whether this file is what the server wrote: computes the digests of its lines and of all
// its text anew. It stands in the file itself, behind digest.js, and asks nobody.

// The messages of a block of rows as they were before they were pictured, each with a
// line feed.
function messagesOf(block, columns) {
  const isPictured = block.querySelector("q");
  const rows = (isPictured ? withoutPictures(block) : block.textContent).split("\n");
  rows.pop(); // behind the last row's end
  const messages = rows.map((row) => `${row.slice(columns)}\n`).join("");
  // A page has no NUL, so it marks what would be taken for the end of a row.
  return isPictured
    ? messages.replace(/\0(.)/g, (_, name) => (name === "n" ? "\n" : "\0"))
    : messages;
}

function withoutPictures(block) {
  const copy = block.cloneNode(true);
  for (const picture of copy.querySelectorAll("q")) {
    const text = picture.textContent;
    const code = /^U\+[0-9A-F]{4}$/.test(text)
      ? parseInt(text.slice(2), 16)
      : text.charCodeAt(0) - 0x2400;
    picture.textContent = { 0: "\0z", 10: "\0n" }[code] ?? String.fromCharCode(code);
  }
  return copy.textContent;
}

async function digestOfLog(main, columns) {
  const encoder = new TextEncoder();
  const digest = new Sha256();
  for (const block of main.querySelectorAll("#log pre")) {
    digest.update(encoder.encode(messagesOf(block, columns)));
    await breath();
  }
  return digest.hex();
}

async function digestOfText(main) {
  const encoder = new TextEncoder();
  const digest = new Sha256();
  const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    digest.update(encoder.encode(texts.currentNode.data));
    await breath();
  }
  return digest.hex();
}

// The page stays at the reader's hand meanwhile.
let rested = performance.now();
async function breath() {
  if (performance.now() - rested < 50) return;
  await new Promise((resolve) => setTimeout(resolve));
  rested = performance.now();
}

function stateOf(found, told) {
  const isRecorded = told.log.length === 64;
  if (isRecorded && found.log !== told.log) return "lines";
  if (found.record !== told.record) return "record";
  return isRecorded ? "same" : "unrecorded";
}

// Nothing where the end of the file is missing.
function toldBy(id) {
  return document.getElementById(id)?.textContent.trim();
}

async function check(verdict) {
  const told = { log: toldBy("log-digest"), record: toldBy("record-digest") };
  if (!told.log || !told.record) return "incomplete";
  const main = document.querySelector("main");
  const log = await digestOfLog(main, Number(verdict.dataset.columns));
  return stateOf({ log, record: await digestOfText(main) }, told);
}

document.addEventListener("DOMContentLoaded", async () => {
  const verdict = document.getElementById("verdict");
  const say = (state, error = "") => {
    verdict.dataset.state = state;
    verdict.querySelector("p").textContent = verdict.dataset[state].replace("{error}", error);
  };
  say("checking");
  try {
    say(await check(verdict));
  } catch (error) {
    say("failed", String(error));
  }
});
