from __future__ import annotations

import dataclasses

import pytest

from pipeline.errors import UsageError
from pipeline.make.compile_places import compilers_at_once, refuse_unknown
from tests.simulators.engine_world import HOST, FixedHost, services_for


@pytest.mark.parametrize(
    ("jobs", "memory_bytes", "expected"),
    [(8, 0, 8), (8, 7 << 30, 3), (2, 64 << 30, 2), (8, 1 << 30, 1)],
    ids=["nothing known of the memory", "memory for fewer", "memory for more", "memory for none"],
)
def test_compilers_are_as_many_as_asked_for_and_as_there_is_memory_for(tmp_path, jobs, memory_bytes, expected):
    host = FixedHost(HOST.model_copy(update={"memory_bytes": memory_bytes}))
    services = dataclasses.replace(services_for(tmp_path, host=host), jobs=jobs)
    assert compilers_at_once(services) == expected


def test_unknown_options_are_refused_with_what_they_may_be_called_now():
    refuse_unknown("core", {}, hint="")
    with pytest.raises(UsageError) as caught:
        refuse_unknown("core", {"B": (), "A": ("A2", "A3")}, hint="correct it")
    assert caught.value.message == "the source of core knows no option A (now A2 or A3?); B"
    assert caught.value.hint == "correct it"
