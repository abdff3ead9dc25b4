"""HTTP before Django has it: bodies, addresses, TLS, threads, the socket."""
