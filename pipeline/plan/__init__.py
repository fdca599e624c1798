"""Pure planning: a request and the catalog become steps with keys."""

from pipeline.plan.choosing import default_release, releases_of
from pipeline.plan.choosing_assembled import locked_version
from pipeline.plan.looking import look_around
from pipeline.plan.looking_toolkits import find_toolkits
from pipeline.plan.narrowing import narrow, refuse
from pipeline.plan.native import tools_of_builds
from pipeline.plan.planner import make_plan
from pipeline.plan.rehearsing import make_rehearsal
from pipeline.plan.releasing import release_plan
from pipeline.plan.request import BuildRequest, PlanInputs
from pipeline.plan.states import github_matrix, states
from pipeline.plan.tools import how_to_install

__all__ = [
    "BuildRequest",
    "PlanInputs",
    "default_release",
    "find_toolkits",
    "github_matrix",
    "how_to_install",
    "locked_version",
    "look_around",
    "make_plan",
    "make_rehearsal",
    "narrow",
    "refuse",
    "release_plan",
    "releases_of",
    "states",
    "tools_of_builds",
]
