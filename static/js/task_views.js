// Which of its two views a task's page shows: what its job wrote of it, or its log.

import { linesOf } from "./log/permalink.js";

export class TaskViews {
  constructor(root) {
    this.root = root;
    this.body = root.querySelector(".task-body");
    if (!this.body) return; // inside another page there is the log alone
    this.written = this.text;
    this.followLink();
    window.addEventListener("hashchange", () => this.followLink());
    root.addEventListener("click", (event) => this.clicked(event));
  }

  get current() {
    return this.body.dataset.shows;
  }

  get tabs() {
    return [...this.root.querySelectorAll("[data-view]")];
  }

  get text() {
    return this.root.querySelector('[data-part="summary"]').textContent;
  }

  // A link to a line leads to where it is seen.
  followLink() {
    if (linesOf(location.hash)) this.show("log");
  }

  clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // elsewhere
    const tab = event.target.closest("[data-view]");
    if (tab) {
      event.preventDefault();
      this.choose(tab.dataset.view);
    } else if (event.target.closest('a[href^="#L"]')) {
      this.show("log");
    }
  }

  toggle() {
    if (this.tabs.length) this.choose(this.current === "log" ? "summary" : "log");
  }

  // The address says it, too, and no line any more where no line is seen.
  choose(view) {
    this.show(view);
    const url = new URL(location.href);
    url.searchParams.set("view", view);
    if (view === "summary") url.hash = "";
    history.replaceState(history.state, "", url);
  }

  show(view) {
    this.body.dataset.shows = view;
    this.mark();
  }

  mark() {
    for (const tab of this.tabs) {
      if (tab.dataset.view === this.current) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
      const isNews = tab.dataset.view === "summary" && this.text !== this.written;
      tab.toggleAttribute("data-news", isNews && this.current === "log");
    }
    if (this.current === "summary") this.written = this.text;
  }

  // The server has written it anew; nobody is taken from what they read.
  renewed() {
    if (!this.body) return;
    if (this.tabs.length) this.mark();
    else this.show("log");
  }
}
