// The console: start a task, watch it, see what ran lately.

import { announce } from "./announce.js";
import { mountKeys, panelKeys } from "./keys.js";
import { chosenForm, mountLaunch, rememberInAddress } from "./launch.js";
import { mountLive, refreshLive } from "./live.js";
import { fetchPart } from "./session.js";
import { TaskPanel } from "./task_panel.js";
import { text } from "./text.js";
import { mountThemeSwitch } from "./theme_switch.js";
import { mountTimes } from "./times.js";

let panel = null;

function watch() {
  panel?.close();
  const root = document.querySelector("#watch [data-task]");
  panel = root && new TaskPanel(root, { ended: refreshLive });
}

async function started(task) {
  announce(text("started", { name: `${task.type} ${task.params?.version ?? ""}`.trim() }));
  rememberInAddress({ type: task.type, task: task.taskId });
  const part = await fetchPart(`/tasks/${task.taskId}/panel`);
  if (part) {
    document.getElementById("watch").replaceChildren(...part.body.childNodes);
    watch();
  }
  refreshLive();
}

mountThemeSwitch();
mountTimes();
mountLive();
mountLaunch({ started });
watch();
mountKeys({
  "/": () => chosenForm()?.querySelector("[data-field] input, [data-field] select")?.focus(),
  ...panelKeys(() => panel),
});
