"""What the scripts for Debian's clients share: a session by OS_* variables, and the openstack command."""

import json
import os
import subprocess

from keystoneauth1 import loading, session
from steps import check


def client_session():
    env = {k[3:].lower(): v for k, v in os.environ.items() if k.startswith("OS_")}
    loader = loading.get_plugin_loader(env["auth_type"])
    keys = {o.dest for o in loader.get_options()}
    return session.Session(auth=loader.load_from_options(**{k: v for k, v in env.items() if k in keys}))


def openstack(*args, text=False):
    done = subprocess.run(["openstack", *args] + ([] if text else ["-f", "json"]), capture_output=True, text=True, timeout=180)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout if text else json.loads(done.stdout)
