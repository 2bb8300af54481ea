"""The page's scripts in node."""

import json
import shutil
import subprocess

import pytest

from madtheory.page.assembly import SOURCE, baked

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="the page's scripts need node")

_PROLOGUE = f"""
const Engine = require({json.dumps(str(SOURCE / "engine.js"))});
const Settings = require({json.dumps(str(SOURCE / "settings.js"))});
const {{given, baked}} = JSON.parse(require("fs").readFileSync(0, "utf8"));
"""


def run_node(expression, given=None):
    """Evaluate an expression of Engine, Settings, `baked` and `given`, and return its value."""
    code = f"{_PROLOGUE}process.stdout.write(JSON.stringify({expression}));"
    text = json.dumps({"given": given, "baked": baked()})
    done = subprocess.run(["node", "-e", code], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
