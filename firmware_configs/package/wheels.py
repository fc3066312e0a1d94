"""What an environment is made of: ``wheels.py SITE-PACKAGES`` prints each wheel's name, version and licence."""

import sys
from importlib.metadata import Distribution, distributions


def licence(wheel: Distribution) -> str:
    """As the wheel says it: in the new field, the old one (where a whole text is no name), or the classifiers."""
    new, old = wheel.metadata["License-Expression"], wheel.metadata["License"]
    classes = [line.rpartition(" :: ")[2] for line in wheel.metadata.get_all("Classifier", []) if "License ::" in line]
    short = old if old and len(old) < 60 and "\n" not in old else None
    return new or short or ", ".join(classes) or "see its .dist-info folder"


if __name__ == "__main__":
    found = sorted(distributions(path=[sys.argv[1]]), key=lambda wheel: wheel.name.lower())
    for wheel in found:
        print(f"{wheel.name}=={wheel.version}  # {licence(wheel)}")
