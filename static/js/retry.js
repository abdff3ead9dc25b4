// A pause before a retry, of another length on each page: after a restart of the server
// they don't come back in one instant.
export const spread = (ms) => ms * (0.5 + Math.random());
