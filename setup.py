"""Everything that can be declared is in pyproject.toml; here is what cannot.

An installed package brings a copy of the project's folders, so that campaigns run anywhere.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("data", "notebooks", "parameters", "potentials", "workflow")
# 20 MB that only the training of a network reads, in a clone
LEFT_OUT = shutil.ignore_patterns("*_labels.npz", "*.png", "__pycache__", ".ipynb_checkpoints")


class BuildWithProject(build_py):
    """Copy the folders into the package; an editable install finds them where they are."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for folder in FOLDERS:
            target = Path(self.build_lib, "llzo_helpers", "project", folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).parent / folder, target, ignore=LEFT_OUT)


setup(cmdclass={"build_py": BuildWithProject})
