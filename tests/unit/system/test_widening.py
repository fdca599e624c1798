"""More connections are opened where they bring a file faster, and nowhere else."""

from pipeline.system.transfer_policy import RangePolicy
from pipeline.system.widening import Widening

POLICY = RangePolicy(
    after_seconds=0.2, ramp_seconds=1.5, window_seconds=0.3, trial_seconds=1.0, clear_gain=1.3, gain=1.15,
    when_left_seconds=1.0, one_stream_bytes_per_second=100e6,
)  # fmt: skip
TICK = 0.05


def played(*, alone, together, size=1e9, seconds=5.0, proven_after=0.1):
    """Return (seconds, stage) of each change, when one stream has speed ``alone(t)`` and two have ``together``."""
    judge, now, done, changes, trial = Widening(POLICY), 0.0, 0.0, [], None
    while now < seconds:
        stage = judge.sample(now, int(done), int(size - done), proven=trial is not None and now > trial + proven_after)
        if not changes or changes[-1][1] != stage:
            changes.append((round(now, 2), stage))
        trial = now if stage == "trial" and trial is None else trial
        done += TICK * (together if trial is not None and now > trial + proven_after else alone(now))
        now += TICK
    return changes


def stages(changes):
    return [stage for _, stage in changes]


def test_connections_that_add_up_become_many():
    changes = played(alone=lambda _: 5e6, together=10e6)
    assert stages(changes) == ["one", "trial", "many"]
    assert changes[-1][0] <= 1.5


def test_a_line_that_one_stream_fills_is_left_to_it():
    assert stages(played(alone=lambda _: 50e6, together=50e6)) == ["one", "trial", "enough"]


def test_a_small_gain_that_lasts_is_a_gain():
    changes = played(alone=lambda _: 25e6, together=31e6)
    assert stages(changes) == ["one", "trial", "many"]
    assert changes[2][0] - changes[1][0] >= POLICY.trial_seconds


def test_a_fast_stream_is_left_alone():
    assert stages(played(alone=lambda _: 400e6, together=800e6, size=1e10)) == ["one"]


def test_a_stream_that_is_nearly_done_is_left_alone():
    assert stages(played(alone=lambda _: 10e6, together=20e6, size=12e6, seconds=1.2)) == ["one"]


def test_a_stream_that_still_gets_faster_is_waited_for():
    changes = played(alone=lambda now: 1e6 * 2 ** (now / 0.2), together=1e9, size=1e10, seconds=1.2)
    assert stages(changes) == ["one"]


def test_a_server_that_sends_nothing_at_first_is_waited_for_but_not_for_ever():
    changes = played(alone=lambda _: 0.0, together=1e6, seconds=3.0)
    assert changes[1][1] == "trial"
    assert changes[1][0] >= POLICY.ramp_seconds
