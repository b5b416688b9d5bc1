// Apart from commit.ts, so that a console that only waits for a log-in doesn't hold all that judges a configuration.

/** A commit that did not happen; the message says why, and that the old configuration is in use. */
export class CommitError extends Error {}
