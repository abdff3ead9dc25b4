// Prints, as JSON, what a reference reader says to each vector: node players.mjs READER
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [reader, vectors] = process.argv.slice(2);
const { versionFor, filesOf } = await import(pathToFileURL(reader));
// What Cocos Creator is given; the one for browsers has its own.
const isForCocos = basename(reader).startsWith("PlayerVersion");
const verify = isForCocos ? verifyByNode : undefined;
const said = [];
for (const vector of JSON.parse(readFileSync(vectors, "utf8"))) {
  const { pointer, player, lastSerial, now, trusted, platform, channel, manifest } = vector;
  const reading = { lastSerial, now, trusted, platform, channel, verify };
  try {
    const found = await versionFor(pointer, player, reading);
    if (manifest !== undefined) {
      const content = isForCocos ? manifest : new TextEncoder().encode(manifest);
      found.files = await filesOf(content, found.sha256);
    }
    said.push(found);
  } catch (error) {
    if (error.constructor.name !== "PointerError") throw error;
    said.push({ error: error.message });
  }
}
console.log(JSON.stringify(said));

function verifyByNode(raw, message, signature) {
  const x = Buffer.from(raw).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verifySignature(null, message, key, signature);
}
