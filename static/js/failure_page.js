// A page on what went wrong: opened anew as soon as the service says that it can be.

import { spread } from "./retry.js";

const LOOK_MS = 5_000;

async function look() {
  if (!document.hidden && (await isReady())) location.reload();
  else setTimeout(look, spread(LOOK_MS));
}

async function isReady() {
  try {
    const health = await (await fetch("/health")).json();
    return health.database === "ok";
  } catch {
    return false; // no answer, or a proxy's
  }
}

document.querySelector('[data-part="retries"]').hidden = false;
setTimeout(look, spread(LOOK_MS));
