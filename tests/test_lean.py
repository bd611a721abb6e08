"""What is left out of a running program's memory is not missed by its libraries."""

import subprocess
import sys

CHECKS = """
import sys
from scheduler.lean import leave_out_pydantic

leave_out_pydantic()
import coincurve, eth_abi.abi, eth_keys, eth_utils, rlp
from eth_utils.crypto import keccak

assert keccak(b"").hex().startswith("c5d2460186f7233c")
assert "pydantic" not in sys.modules, "it is loaded all the same"

# As another version of eth_utils may import another name.
from eth_utils.pydantic import CamelModel, Another
assert not hasattr(sys.modules["eth_utils.pydantic"], "__path__"), "it passes for a package"

from pydantic import TypeAdapter
assert TypeAdapter(int).validate_python("1") == 1
"""


def test_the_libraries_do_without_pydantic_and_whoever_asks_for_it_has_it() -> None:
    done = subprocess.run([sys.executable, "-c", CHECKS], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == 0


def test_where_pydantic_is_there_already_it_stays() -> None:
    checks = """
import eth_utils, sys
from scheduler.lean import leave_out_pydantic

before = sys.modules["eth_utils.pydantic"]
leave_out_pydantic()
assert sys.modules["eth_utils.pydantic"] is before
"""
    subprocess.run([sys.executable, "-c", checks], check=True)
