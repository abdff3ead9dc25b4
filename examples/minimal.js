// The least a program needs: no package, no retries. Each event is one line "data: JSON".
//
//   API_KEY=… node minimal.js [version] [type]

const { API_URL = "http://127.0.0.1:3000", API_KEY } = process.env;
const [version = "v885", type = "check-integrity"] = process.argv.slice(2);
const headers = { "X-API-Key": API_KEY, "Content-Type": "application/json" };

async function* eventsOf(stream) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
    }
  }
}

async function main() {
  const body = JSON.stringify({ version });
  const answer = await fetch(`${API_URL}/api/tasks/${type}`, { method: "POST", headers, body });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  const { streamUrl } = await answer.json();
  const stream = await fetch(streamUrl, { headers });
  for await (const event of eventsOf(stream.body)) {
    switch (event.type) {
      case "log": console.log(event.log.message); break;
      case "update": console.log(`progress ${event.task.progress} %`); break;
      case "end": return event.status === "completed" ? 0 : 1;
    }
  }
  throw new Error("The connection was lost.");
}

main().catch((error) => (console.error(error.message), 2)).then((code) => (process.exitCode = code));
