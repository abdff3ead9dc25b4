// Durable Streams' own suite, against tests/e2e/protocol/writer.py.

import { runConformanceTests } from "@durable-streams/server-conformance-tests";

runConformanceTests({ baseUrl: process.env.CONFORMANCE_TEST_URL });
