"""Types of what programs are started with: only what can be filled in has braces.

They are apart from ``filling``, which a switch imports without the models.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from pipeline.model.filling import require_environment, require_model_args, require_server_args

ServerArgs = Annotated[tuple[str, ...], AfterValidator(require_server_args)]
ModelArgs = Annotated[tuple[str, ...], AfterValidator(require_model_args)]
ProgramEnvironment = AfterValidator(require_environment)
