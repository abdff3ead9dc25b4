// Whether one is still signed in. Where not, the page says so; it goes on by itself
// after one has signed in again in another tab.

// A page that is taken apart comes without sheets: this one's policy would refuse them.
export const FOR_A_PART = { "X-Requested-With": "fetch" };
const TOKENS = 'input[name="csrfmiddlewaretoken"]';
const notice = document.getElementById("signed-out");

notice?.querySelector("a").addEventListener("click", (event) => {
  const here = location.pathname + location.search + location.hash;
  event.currentTarget.search = new URLSearchParams({ next: here });
});

export function showSignedOut(isOut) {
  if (notice) notice.hidden = !isOut;
}

// Asks the server; false also where it gives no answer.
export async function isSignedOut() {
  await fetchPart("/live");
  return Boolean(notice) && !notice.hidden;
}

// A part of a page, parsed; null where it can't be had now.
export async function fetchPart(path) {
  try {
    // Strangers are sent to the login; knowing that is enough.
    const answer = await fetch(path, { redirect: "manual", headers: FOR_A_PART });
    if (answer.type === "opaqueredirect") showSignedOut(true);
    if (!answer.ok) return null;
    const part = new DOMParser().parseFromString(await answer.text(), "text/html");
    showSignedOut(false);
    renewTokens(part);
    return part;
  } catch {
    return null;
  }
}

// Each sign-in makes the tokens of forms that were on a page before it invalid.
function renewTokens(part) {
  const fresh = part.querySelector(TOKENS)?.value;
  if (!fresh) return;
  for (const input of document.querySelectorAll(TOKENS)) input.value = fresh;
}
