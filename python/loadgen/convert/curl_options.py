"""The options of curl: their short names, which of them have a value, and what is no loss for a script."""

from __future__ import annotations

from collections.abc import Iterator

_LONG = {
    "-#": "--progress-bar",
    "-4": "--ipv4",
    "-6": "--ipv6",
    "-A": "--user-agent",
    "-C": "--continue-at",
    "-D": "--dump-header",
    "-E": "--cert",
    "-F": "--form",
    "-G": "--get",
    "-H": "--header",
    "-I": "--head",
    "-K": "--config",
    "-L": "--location",
    "-N": "--no-buffer",
    "-O": "--remote-name",
    "-S": "--show-error",
    "-T": "--upload-file",
    "-U": "--proxy-user",
    "-X": "--request",
    "-b": "--cookie",
    "-c": "--cookie-jar",
    "-d": "--data",
    "-e": "--referer",
    "-f": "--fail",
    "-g": "--globoff",
    "-i": "--include",
    "-k": "--insecure",
    "-m": "--max-time",
    "-n": "--netrc",
    "-o": "--output",
    "-r": "--range",
    "-s": "--silent",
    "-u": "--user",
    "-v": "--verbose",
    "-w": "--write-out",
    "-x": "--proxy",
    "-y": "--speed-time",
    "-Y": "--speed-limit",
    "-z": "--time-cond",
    "-:": "--next",
}
_WITH_VALUE = frozenset(
    {
        *(
            "--request",
            "--header",
            "--data",
            "--data-raw",
            "--data-binary",
            "--data-ascii",
            "--url",
            "--url-query",
        ),
        *("--data-urlencode", "--json", "--form", "--form-string", "--user", "--user-agent", "--referer"),
        *("--cookie", "--cookie-jar", "--max-time", "--connect-timeout", "--output", "--output-dir"),
        *("--write-out", "--dump-header", "--stderr", "--trace", "--trace-ascii", "--config", "--range"),
        *(
            "--proxy",
            "--proxy-user",
            "--proxy-header",
            "--preproxy",
            "--noproxy",
            "--socks5",
            "--socks5-hostname",
        ),
        *("--cacert", "--capath", "--cert", "--cert-type", "--key", "--key-type", "--pass", "--pinnedpubkey"),
        *(
            "--ciphers",
            "--tls-max",
            "--tls13-ciphers",
            "--resolve",
            "--connect-to",
            "--interface",
            "--dns-servers",
        ),
        *("--unix-socket", "--abstract-unix-socket", "--local-port", "--oauth2-bearer", "--aws-sigv4"),
        *("--retry", "--retry-delay", "--retry-max-time", "--max-redirs", "--max-filesize", "--limit-rate"),
        *("--rate", "--speed-limit", "--speed-time", "--upload-file", "--continue-at", "--time-cond"),
        *(
            "--keepalive-time",
            "--expect100-timeout",
            "--proto",
            "--proto-redir",
            "--request-target",
            "--netrc-file",
        ),
        *("--hsts", "--alt-svc", "--doh-url", "--variable"),
    }
)
# Nothing is lost by leaving these out.
SILENT = frozenset(
    {
        *("--silent", "--show-error", "--verbose", "--output", "--output-dir", "--write-out", "--fail"),
        *("--fail-with-body", "--include", "--progress-bar", "--globoff", "--remote-name", "--no-buffer"),
        *("--no-progress-meter", "--cookie-jar", "--dump-header", "--stderr", "--trace", "--trace-ascii"),
        *("--trace-time", "--remote-header-name", "--create-dirs", "--path-as-is", "--parallel", "--http2"),
    }
)


def options_of(words: list[str]) -> Iterator[tuple[str, str]]:
    """Long names with their values, where they have one; what is no option is a URL."""
    left = iter(words)
    for word in left:
        if not word.startswith("-") or word == "-":
            yield "--url", word
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            if name in _WITH_VALUE and not equals:
                value = next(left, "")
            yield name, value
        else:
            yield from _short(word[1:], left)


def _short(letters: str, left: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Several in one word: the first with a value takes the rest of it, or the next word."""
    for index, letter in enumerate(letters):
        name = _LONG.get(f"-{letter}", f"-{letter}")
        if name in _WITH_VALUE:
            yield name, letters[index + 1 :] or next(left, "")
            return
        yield name, ""
