"""What a web interface means in npm's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def install_argv(npm: str) -> tuple[str, ...]:
    """Return the command that installs exactly what package-lock.json says."""
    return (npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")


def build_argv(npm: str) -> tuple[str, ...]:
    """Return the command that builds the interface."""
    return (npm, "run", "build")


def environment(base: Mapping[str, str], *, epoch_seconds: int, cache: str) -> dict[str, str]:
    """Return the environment: the user's npm configuration and proxies, and nothing that makes the output vary.

    Packages that would download a browser or a binary of their own are told not to.
    """
    kept = ("PATH", "HOME", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    npm_settings = {name: value for name, value in base.items() if name.lower().startswith("npm_config_")}
    return {
        **{name: base[name] for name in (*kept, "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE") if name in base},
        **npm_settings,
        "npm_config_cache": cache,
        "CI": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch_seconds),
        "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
        "STORYBOOK_DISABLE_TELEMETRY": "1",
    }
