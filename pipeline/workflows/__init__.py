"""Workflows of CI providers, rendered from the catalog: which jobs there are, and the files that say so."""

from pipeline.workflows.files import GeneratedFile, StaleWorkflowsError, require_fresh, stale_files
from pipeline.workflows.jobs import Crossed, Job, crossed_for_macs, kept_elsewhere, plan_jobs, plan_proofs
from pipeline.workflows.rendering import render_workflows
from pipeline.workflows.runners import PROVIDERS, Provider, Runners, choose_runners, read_runners

__all__ = [
    "PROVIDERS",
    "Crossed",
    "GeneratedFile",
    "Job",
    "Provider",
    "Runners",
    "StaleWorkflowsError",
    "choose_runners",
    "crossed_for_macs",
    "kept_elsewhere",
    "plan_jobs",
    "plan_proofs",
    "read_runners",
    "render_workflows",
    "require_fresh",
    "stale_files",
]
