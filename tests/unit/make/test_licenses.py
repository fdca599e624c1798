from __future__ import annotations

from email import message_from_string

import pytest

from pipeline.make.licenses import license_of_metadata, spdx


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: mit or apache-2.0\nLicense: BSD\n", "MIT OR Apache-2.0"),
        ("License: Apache 2.0 License\n", "Apache-2.0"),
        ("License: MPL-2.0 AND MIT\n", "MPL-2.0 AND MIT"),
        ("License: whatever\nClassifier: License :: OSI Approved :: MIT License\n", "MIT"),
        ("License: my own words\n", "LicenseRef-my-own-words"),
        ("License: " + "the whole text of it " * 20 + "\n", ""),
        ("Classifier: License :: OSI Approved :: BSD License\n", ""),
        (
            "".join(
                f"Classifier: License :: OSI Approved :: {name}\n" for name in ("MIT License", "ISC License (ISCL)")
            ),
            "ISC AND MIT",
        ),
        ("Name: x\n", ""),
        ("License: UNKNOWN\n", ""),
    ],
)
def test_a_wheels_license_is_an_spdx_expression_or_nothing(metadata, expected):
    assert license_of_metadata(message_from_string(metadata)) == expected


def test_what_no_spdx_expression_says_becomes_a_reference():
    assert spdx("Public Domain!") == "LicenseRef-Public-Domain"
    assert spdx("GPL-3.0-only WITH GCC-exception-3.1") == "GPL-3.0-only WITH GCC-exception-3.1"
    assert spdx("  ") == ""
