"""What ``import graphcond`` offers."""

import subprocess
import sys


def test_subpackages_are_loaded_when_they_are_named():
    code = (
        "import sys, graphcond\n"
        "assert 'torch' not in sys.modules and 'condensers' in dir(graphcond)\n"
        "assert graphcond.condensers.Partition and graphcond.__version__\n"
        "try: graphcond.nothing\n"
        "except AttributeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no attribute 'nothing'" in done.stdout
