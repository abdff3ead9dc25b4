"""Durable Streams' own conformance suite, held to a log's pages."""
