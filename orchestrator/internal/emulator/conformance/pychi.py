"""python-chi as a user of Chameleon's tutorials drives it: only OS_* variables tell it where."""

import contextlib
import datetime
import io
import os
import pathlib
import subprocess
import tempfile

from steps import Steps, check, wait

import chi
from chi import container, lease, network

s = Steps("python-chi")
home = pathlib.Path(tempfile.mkdtemp(prefix="chexp-conformance-"))


def reserve():
    made = lease.Lease("chexp-pychi", duration=datetime.timedelta(hours=1))
    made.add_device_reservation(amount=1, machine_type="raspberrypi5")
    made.submit(wait_for_active=False)
    check(made.id and made.status == "PENDING", f"lease {made.id} is {made.status}")
    return made


def full():
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        made = lease.create_lease("chexp-too-many", [{
            "resource_type": "device", "min": 99, "max": 99,
            "resource_properties": '["==", "$machine_name", "raspberrypi5"]'}],
            start_date="now", end_date=(lease.utcnow() + datetime.timedelta(hours=1)).strftime(lease.BLAZAR_TIME_FORMAT))
    check(made is None, f"99 boards were reserved: {made}")
    check("not enough" in said.getvalue().lower(), f"said {said.getvalue()!r}")


def launch():
    # Container.submit always sends device_profiles, which only Chameleon's own fork of zunclient
    # knows; PyPI's refuses the key before anything is sent. create_container is what submit calls.
    made = container.create_container(
        name="chexp-pychi", image="debian:bookworm-slim", exposed_ports=["22/tcp"],
        reservation_id=reserved.device_reservations[0]["id"],
        command=["sh", "-c", "echo up; exec sleep infinity"], environment={"CHEXP": "yes"})
    box = container.Container.from_zun_container(made)
    box.wait(status="Running", show=None)
    check(box.status == "Running", f"is {box.status}")
    return box


def execute():
    output, code = box.execute("sh -c 'echo $CHEXP; exit 3'")
    check((output, code) == ("yes\n", "3"), f"{output!r}, {code}")


def missing():
    output, code = box.execute("/no/such/program")
    check(code == "-1" and "binary not found" in output, f"{output!r}, {code}")


def upload():
    (home / "hello.txt").write_text("hello\n")
    box.execute("mkdir -p /root/out")
    box.upload(str(home / "hello.txt"), "/root/out")
    output, _ = box.execute("cat /root/out/hello.txt")
    check(output == "hello\n", repr(output))


def download():
    box.download("/root/out", str(home / "back"))
    check((home / "back" / "hello.txt").read_text() == "hello\n", "another text came back")


def floating_ip():
    address = box.associate_floating_ip()
    found = network.get_floating_ip(address)
    check(found["port_id"], f"{address} is bound to nothing")
    return address


def by_name():
    check(lease.get_lease_id("chexp-pychi") == reserved.id, "another id")
    check(any(c.id == box.id for c in container.list_containers()), "it is not in the list")
    check(container.get_container(box.id).id == box.id, "another container")


EXPERIMENT = """apiVersion: chexp/v1
name: pychi
site: CHI@Edge
lease: {machine_name: raspberrypi5, duration: 30m}
models: [{name: tiny, builtin: tiny-cnn}]
providers: [cpu]
trials: {warmup: 1, min_runs: 6, min_time: 100ms, max_time: 20s, timeout: 60s}
"""


def leases():
    """The project's, also those of its other members."""
    return {made.id: made.status for made in lease.list_leases()}


def measure():
    """chexp measures in the lease that python-chi made, beside its container, and leaves both; it makes none."""
    before = leases()
    check(before.get(reserved.id) == "ACTIVE", before)
    (home / "pychi.yaml").write_text(EXPERIMENT)
    ran = subprocess.run([os.environ["CHEXP"], "--runs", str(home / "runs"), "run", str(home / "pychi.yaml"),
                          "--lease", "chexp-pychi"], capture_output=True, text=True)
    check(ran.returncode == 0, f"exit code {ran.returncode}: {ran.stderr}")
    check("container chexp-pychi (debian:bookworm-slim) of yours is on its device" in ran.stderr, ran.stderr)
    check(list((home / "runs").glob("*/results/*.json")), "no results came home")
    check(leases() == before, f"{before} before, {leases()} now")
    check(container.get_container(box.id).status == "Running", "the container is not what it was")


def give_back_address():
    network.deallocate_floating_ip(address)
    check(all(f["floating_ip_address"] != address for f in network.list_floating_ips()), "it is still there")


def delete_container():
    ident = box.id
    box.delete()
    wait("the container to go", lambda: container.get_container(ident) is None)


def delete_lease():
    ident = reserved.id
    reserved.delete()
    try:
        lease.get_lease(ident)
    except Exception:
        return
    raise AssertionError("it is still there")


s.step("sign in with OS_* variables", lambda: check(chi.clients.connection().current_project_id, "no project"))
reserved = s.step("reserve a device", reserve)
s.step("see that there are no 99 devices", full)
s.step("wait for the lease", lambda: reserved.wait(show=None))
box = s.step("launch a container", launch)
s.step("find both again", by_name)
s.step("execute", execute)
s.step("execute a program that is not there", missing)
s.step("upload", upload)
s.step("download", download)
s.step("read the logs", lambda: check(box.logs() == "up\n", repr(box.logs())))
s.step("measure with chexp in this lease", measure)
address = s.step("bind a floating IP", floating_ip)
s.step("give the floating IP back", give_back_address)
s.step("delete the container", delete_container)
s.step("delete the lease", delete_lease)
s.end()
