// Lines that two logs share, opened in place.

import { fetchPart } from "../session.js";

export function mountGaps(difference) {
  difference.addEventListener("click", async (event) => {
    const link = event.target.closest(".gap a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const part = await fetchPart(link.href);
    const table = part?.querySelector(".diff table");
    if (!table) return location.assign(link.href);
    difference.querySelector("table").replaceWith(table);
    history.replaceState(null, "", link.href);
    document.getElementById(link.id)?.focus({ preventScroll: true });
  });
}
