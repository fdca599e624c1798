"""Pure planning: a request and the catalog become steps with keys."""

from pipeline.plan.planner import make_plan
from pipeline.plan.request import BuildRequest, PlanInputs, look_around
from pipeline.plan.states import github_matrix, states

__all__ = ["BuildRequest", "PlanInputs", "github_matrix", "look_around", "make_plan", "states"]
