// A task's live log inside Django's admin.

import { TaskPanel } from "./task_panel.js";

new TaskPanel(document.querySelector("[data-task]"));
