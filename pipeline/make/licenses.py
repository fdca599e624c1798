"""Licenses of packages as SPDX expressions, from what packages say in many words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

if TYPE_CHECKING:
    from email.message import Message

_LONGEST_NAME = 100  # characters; what is longer is a license's text and not its name
# Names that mean one license and no other. "BSD" alone is none of them: it may be any of four.
_NAMES = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",  # its trove classifier; earlier versions are out of use since 2004
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd license": "BSD-3-Clause",
    "psf": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng license": "Zlib",
}
_CLASSIFIER = "License :: OSI Approved :: "


def license_of_metadata(metadata: Message, *, stated: str | None = None) -> str:
    """Return a wheel's license as an SPDX expression, empty where it names none that is certain.

    ``License-Expression`` (PEP 639) comes first, then ``License``, then the trove classifiers.

    Args:
        metadata: of the wheel.
        stated: what the recipe says instead.
    """
    if stated:
        return spdx(stated)
    for said in (metadata["License-Expression"], metadata["License"]):
        if said and (known := _known(said)):
            return known
    found = {
        known
        for said in metadata.get_all("Classifier", ())
        if said.startswith(_CLASSIFIER) and (known := _known(said.removeprefix(_CLASSIFIER)))
    }
    if found:
        return " AND ".join(sorted(found))
    return spdx(metadata["License"] or "")


def spdx(text: str) -> str:
    """Return what a package says of its license as an SPDX expression.

    Words that are none become a reference of our own, ``LicenseRef-...``, so that nothing is lost; empty stays empty,
    and a whole text counts as nothing.
    """
    said = " ".join(text.split())
    if not said or (len(said) > _LONGEST_NAME and _known(said) is None) or said.lower() in {"unknown", "none"}:
        return ""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", said).strip("-")
    return _known(said) or (f"LicenseRef-{slug}" if slug else "")


def _known(text: str) -> str | None:
    name = _NAMES.get(text.strip().lower())
    if name is not None:
        return name
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None
