// The newest versions that a field can take, below it: a click fills it in.

import { get } from "./api.js";
import { ago, counted, text } from "./text.js";

const MOST = 3; // room is kept for them: launch.css

export function mountVersions(form) {
  for (const input of form.querySelectorAll("input[data-suggest]")) {
    const offer = once(() => showVersions(input));
    form.addEventListener("chosen", offer);
    if (!form.hidden) offer();
  }
}

function once(act) {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}

async function showVersions(input) {
  const answer = await get("/api/versions");
  if (!answer) return;
  const place = input.closest(".field").querySelector('[data-part="versions"]');
  const offered = offers(answer.versions, input.dataset).slice(0, MOST);
  place.replaceChildren(...offered.map((offer) => button(offer, input)));
  place.hidden = !offered.length;
}

// The versions that lie where they have to, each once, with where it is live; newest first.
export function offers(versions, { suggest, platforms }) {
  const wanted = platforms.split(" ").filter(Boolean);
  const found = new Map();
  for (const each of versions) {
    if (wanted.length && !wanted.includes(each.platform)) continue;
    const offer = found.get(each.version) ?? { version: each.version, live: [], files: 0 };
    offer.live.push(...(each.isLive ? [each.platform] : []));
    offer.files += each.files ?? 0;
    offer.inSource ||= each.inSource === true;
    offer.inStore ||= each.inStore === true;
    offer.builtAt = later(offer.builtAt, each.builtAt);
    offer.publishedAt = later(offer.publishedAt, each.publishedAt);
    found.set(each.version, offer);
  }
  const lies = { source: (o) => o.inSource, store: (o) => o.inStore }[suggest] ?? (() => true);
  return [...found.values()].filter(lies);
}

function later(a, b) {
  return !a || b > a ? (b ?? a) : a;
}

function button(offer, input) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "quiet version-offer";
  const name = document.createElement("span");
  name.className = "code";
  name.textContent = offer.version;
  const facts = document.createElement("span");
  facts.className = "muted";
  facts.textContent = said(offer);
  element.append(name, facts);
  element.addEventListener("click", () => {
    input.value = offer.version;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  });
  return element;
}

function said({ live, files, builtAt, publishedAt, inStore }) {
  const facts = [];
  if (live.length) facts.push(text("liveOn", { platforms: live.map(titled).join(", ") }));
  const when = (moment) => ({ ago: ago(new Date(moment), Date.now()) });
  if (builtAt) facts.push(text("builtAgo", when(builtAt)));
  else if (publishedAt) facts.push(text("publishedAgo", when(publishedAt)));
  if (files) facts.push(counted("file", "files", files));
  if (!live.length && !inStore) facts.push(text("notInStore"));
  return facts.join(" · ");
}

// As the cells of what is live call them.
function titled(platform) {
  const cell = document.querySelector(`[data-platform="${platform}"] h3`);
  return cell?.textContent.trim() || platform;
}
