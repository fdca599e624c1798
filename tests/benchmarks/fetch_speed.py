"""How fast a download is, against `curl` + `sha256sum` on loopback and against `aria2c -x8` over a slow link.

usage: python tests/benchmarks/fetch_speed.py [--size-mb 1000] [--rounds 5] [--link-size-mb 300] [--lossy-size-mb 100]
                                              [--rate-mb 50] [--congestion bbr,reno] [--work DIR]

nginx serves a file of noise. Each round measures the programs next to each other, in turn, because machines drift; the
ratios are medians of the rounds' ratios. Ours is the real downloader with an empty store each time: interpreter start,
download, digest, sync to the disk and rename included; the others sync nothing. `openssl dgst -sha256` stands beside
`sha256sum`, which does not use the processor's SHA instructions on every system.

The slow links are those of `bench strategies`, with 50 ms of round trip, without and with 0.5 % loss; that part needs
namespaces and aria2, and says so where it is left out. aria2c runs without and with a check of the digest, which ours
always makes. Prints JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.errors import HostError  # noqa: E402  # after the path
from pipeline.model.strategy_runs import LinkProfile  # noqa: E402  # after the path
from pipeline.ports import Command  # noqa: E402  # after the path
from pipeline.system.links import LocalLinks  # noqa: E402  # after the path
from pipeline.system.processes import ProcessRunner  # noqa: E402  # after the path
from tests.gathering.launching import ending_by_signals, measured  # noqa: E402  # after the path
from tests.gathering.protocol import Figure, spread  # noqa: E402  # after the path
from tests.simulators.nginx import Nginx, free_port  # noqa: E402  # after the path

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 1 << 20
AIMS = {"curl + sha256sum": 1.0, "aria2c -x8 -s8": 1.0}
AIM_PROCESSOR = 1.2
AIM_MB = 120
OURS = """
import sys
from pathlib import Path
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
class Silent:
    def emit(self, event): print(event, file=sys.stderr)
cache, url, sha256, size, host = sys.argv[1:]
store = FileStore(Path(cache))
downloader = HttpDownloader(
    store, offline=False, events=Silent(), clock=SystemClock(), http_hosts=frozenset({host})
)
downloader.fetch(DownloadRequest("the file", (url,), sha256, int(size), "file"))
"""


@dataclass(frozen=True)
class Used:
    """What a program took."""

    wall: float
    cpu: float
    peak_mb: float

    def __add__(self, other: Used) -> Used:
        """One after the other."""
        return Used(self.wall + other.wall, self.cpu + other.cpu, max(self.peak_mb, other.peak_mb))


def main() -> None:
    """Measure and print."""
    options = _options()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "www").mkdir(parents=True)
    result: dict[str, Any] = {"figures": [], "left_out": []}
    if options.size_mb:
        rounds = _loopback(work, options)
        result["loopback"] = {"size_mb": options.size_mb, **_summary(rounds, options.size_mb)}
        result["figures"] += _figures("loopback", rounds)
        if not shutil.which("openssl"):
            result["left_out"].append("no comparison with openssl, which is not here")
    for congestion in options.congestion.split(","):
        for name, size_mb, loss in (
            (f"50 ms, {congestion}", options.link_size_mb, 0.0),
            (f"50 ms, 0.5 % loss, {congestion}", options.lossy_size_mb, 0.005),
        ):
            if not size_mb:
                continue
            try:
                link = LinkProfile(
                    name="slow",
                    title=name,
                    bits_per_second=round(options.rate_mb * 8e6),
                    round_trip_ms=50.0,
                    loss=loss,
                )
                rounds, made = _slow(work, options, size_mb, link, congestion)
                sizes = {"size_mb": size_mb, "link": made, "rate_mb": options.rate_mb}
                result[name] = {**sizes, **_summary(rounds, size_mb)}
                result["figures"] += _figures(name, rounds)
            except HostError as error:
                result["left_out"].append(f"{name}: {error}")
    shutil.rmtree(work)
    print(json.dumps(result, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--link-size-mb", type=int, default=300)
    parser.add_argument("--lossy-size-mb", type=int, default=100)
    parser.add_argument("--rate-mb", type=float, default=50.0, help="of the slow links, megabytes a second")
    parser.add_argument("--congestion", default="bbr,reno", help="of the server on slow links; a list has commas")
    parser.add_argument("--work", type=Path, default=Path("fetch-speed"))
    return parser.parse_args()


def _loopback(work: Path, options: argparse.Namespace) -> list[dict[str, Used]]:
    sha256 = _write_noise(work / "www" / "file", options.size_mb)
    with Nginx(work / "nginx", root=work / "www", listen=f"127.0.0.1:{free_port()}") as server:
        url = server.url("/file")
        rounds = []
        for number in range(options.rounds):
            found = {"ours": _ours(work, [], url, sha256, options.size_mb, host="127.0.0.1")}
            out = work / "out"
            curl = _measured(["curl", "-sS", "--noproxy", "*", "-o", out, url])
            found["curl + sha256sum"] = curl + _measured(["sha256sum", out])
            if shutil.which("openssl"):
                found["curl + openssl"] = curl + _measured(["openssl", "dgst", "-sha256", out])
            out.unlink()
            rounds.append(found)
            print(f"loopback {number + 1}: {found}", file=sys.stderr)
    return rounds


def _slow(
    work: Path, options: argparse.Namespace, size_mb: int, profile: LinkProfile, congestion: str
) -> tuple[list[dict[str, Used]], str]:
    if not shutil.which("aria2c"):
        raise HostError("there is no aria2c (apt install aria2)")
    sha256 = _write_noise(work / "www" / "file", size_mb)
    commands = ProcessRunner()
    with LocalLinks(commands).link(profile) as link:
        if link.made.maker == "throttle":
            raise HostError(f"no link of packets can be made: {link.made.why}")
        inside = list(link.at_client(()))
        listen = f"{link.address}:{free_port()}"
        prefix = link.at_server(())
        if congestion:
            set_it = f"echo {congestion} > /proc/sys/net/ipv4/tcp_congestion_control"
            commands.run(Command((*prefix, "/bin/sh", "-c", set_it), cwd=work, env={}))
        with Nginx(work / "nginx-link", root=work / "www", listen=listen, prefix=prefix) as server:
            url = server.url("/file")
            rounds = []
            for number in range(options.rounds):
                found = {"ours": _ours(work, inside, url, sha256, size_mb, host=link.address)}
                aria2c = [*inside, "aria2c", "-q", "-x8", "-s8", "--no-conf", "-d", work, "-o", "out"]
                found["aria2c -x8 -s8"] = _measured([*aria2c, url])
                (work / "out").unlink()
                found["aria2c -x8 -s8 with digest"] = _measured([*aria2c, f"--checksum=sha-256={sha256}", url])
                (work / "out").unlink()
                found["curl"] = _measured([*inside, "curl", "-sS", "-o", work / "out", url])
                (work / "out").unlink()
                rounds.append(found)
                print(f"{profile.title} {number + 1}: {found}", file=sys.stderr)
    return rounds, link.made.maker


def _ours(work: Path, inside: list[str], url: str, sha256: str, size_mb: int, *, host: str) -> Used:
    cache = work / "cache"
    size = str(size_mb * CHUNK)
    used = _measured([*inside, sys.executable, "-c", OURS, cache, url, sha256, size, host])
    assert (cache / "blobs" / sha256[:2] / sha256).is_file()
    shutil.rmtree(cache)
    return used


def _measured(argv: Sequence[str | Path]) -> Used:
    """Run a program; its time includes start and end, its processor time what it waited for."""
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    env["PYTHONPATH"] = str(PROJECT)
    try:
        found = measured(argv, env=env, cwd=Path("/"))
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{argv} ended with {error.returncode}") from error
    return Used(round(found.seconds, 3), round(found.processor_seconds, 3), round(found.peak_mb, 1))


def _write_noise(path: Path, size_mb: int) -> str:
    digest = hashlib.sha256()
    path.unlink(missing_ok=True)
    with path.open("wb") as stream:
        for _ in range(size_mb):
            block = os.urandom(CHUNK)
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def _figures(where: str, rounds: list[dict[str, Used]]) -> list[Figure]:
    """Return the ratios of ours to each other program; processor time on loopback, where nothing is waited for."""
    found = []
    for other in rounds[0]:
        if other == "ours":
            continue
        walls = (one["ours"].wall / one[other].wall for one in rounds)
        found.append(spread(f"{where}, wall time", walls, peer=other, aim=AIMS.get(other)))
        if where == "loopback":
            processors = (one["ours"].cpu / one[other].cpu for one in rounds)
            aim = AIM_PROCESSOR if other == "curl + sha256sum" else None
            found.append(spread(f"{where}, processor time", processors, peer=other, aim=aim))
    peak = max(one["ours"].peak_mb for one in rounds)
    return [*found, spread(f"{where}, peak of ours", [peak], unit="MB", aim=AIM_MB)]


def _summary(rounds: list[dict[str, Used]], size_mb: int) -> dict[str, object]:
    """Return medians for each program, and medians of the rounds' ratios of ours to each other one."""
    gigabytes = size_mb * CHUNK / 1e9
    result: dict[str, object] = {}
    for name in rounds[0]:
        found: dict[str, float] = {
            "wall_seconds": statistics.median(one[name].wall for one in rounds),
            "cpu_seconds_per_gb": round(statistics.median(one[name].cpu for one in rounds) / gigabytes, 2),
            "peak_mb": max(one[name].peak_mb for one in rounds),
        }
        if name != "ours":
            found["ours_to_it_wall"] = round(statistics.median(one["ours"].wall / one[name].wall for one in rounds), 3)
            found["ours_to_it_cpu"] = round(statistics.median(one["ours"].cpu / one[name].cpu for one in rounds), 3)
        result[name] = found
    return result


if __name__ == "__main__":
    with ending_by_signals():
        main()
