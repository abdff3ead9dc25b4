// Runs in <head>, before anything is painted: the chosen theme, else the system's.
// Key and values are those of Django's admin, so that one choice holds in both.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // Storage is blocked: the system's theme it is.
  }
  document.documentElement.dataset.theme = theme || "auto";
})();
