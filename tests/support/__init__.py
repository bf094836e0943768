"""What system tests and benchmarks share: the command, real and hostile servers. No test lives here."""
