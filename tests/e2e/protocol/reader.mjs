// Reads a log with Durable Streams' own client, and prints each line: what there is, or
// to the end of its task.
// node reader.mjs URL KEY MODE [OFFSET]; MODE: catch-up, long-poll, sse.

import { stream } from "@durable-streams/client";

const [url, key, mode, offset = "-1"] = process.argv.slice(2);
const isLive = mode !== "catch-up";
const headers = { "X-API-Key": key };
// What goes on over several pages until it is up to date is any mode but `false`.
const response = await stream({ url, headers, offset, live: isLive ? mode : true });
const lines = isLive ? response.jsonStream() : await response.json();
for await (const line of lines) console.log(JSON.stringify(line));
console.error(JSON.stringify({ offset: response.offset, closed: response.streamClosed }));
