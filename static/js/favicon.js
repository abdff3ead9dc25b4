// The icon of the tab: it says how a task stands to somebody who looks elsewhere.

const icon = document.querySelector('link[rel="icon"]');
const usual = icon.getAttribute("href");

// A status of tasks, "busy" or "alert"; of any other name, the product's own.
export function showIcon(name) {
  const href = icon.dataset[name] ?? usual;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

// For as long as the page is there, the icon of the status that it says a task has.
export function showStatusOf(task) {
  const place = task.querySelector('[data-part="status"]');
  const show = () => showIcon(place.querySelector("[data-status]").dataset.status);
  const changes = { subtree: true, childList: true, attributeFilter: ["data-status"] };
  new MutationObserver(show).observe(place, changes);
  show();
}
