// Prints, as JSON, what a reference reader says to each vector: node players.mjs READER
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [reader, vectors] = process.argv.slice(2);
const { versionFor } = await import(pathToFileURL(reader));
const said = [];
for (const vector of JSON.parse(readFileSync(vectors, "utf8"))) {
  const { pointer, player, lastSerial, now } = vector;
  try {
    said.push(await versionFor(pointer, player, { lastSerial, now }));
  } catch (error) {
    if (error.constructor.name !== "PointerError") throw error;
    said.push({ error: error.message });
  }
}
console.log(JSON.stringify(said));
