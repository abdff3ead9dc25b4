// Says a change aloud, politely, to those who listen to the page.

export function announce(words) {
  document.getElementById("announcer").textContent = words;
}
