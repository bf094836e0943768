"""Files of requests, and tests of other tools, rewritten as a script that a person might have written."""
