"""Debian's python3-blazarclient and python3-zunclient as libraries, and the openstack command."""

import base64
import datetime
import io
import os
import tarfile

import websocket  # what zunclient itself uses
from debianclient import client_session, openstack
from steps import Steps, check, wait

from blazarclient.client import Client as Blazar
from zunclient.client import Client as Zun

RESERVATION = {"resource_type": "device", "min": 1, "max": 1,
               "resource_properties": '["==", "$machine_name", "raspberrypi5"]'}


def later(hours):
    return (datetime.datetime.utcnow() + datetime.timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M")


# --- the libraries ---------------------------------------------------------------------

s = Steps("blazarclient")
sess = s.step("sign in", client_session)
blazar = Blazar("1", service_type="reservation", session=sess)


def create():
    made = blazar.lease.create(name="chexp-debian", start="now", end=later(1), reservations=[dict(RESERVATION)], events=[])
    check(made["status"] == "PENDING", made["status"])
    return made


def active():
    return wait("the lease", lambda: blazar.lease.get(made["id"])["status"] == "ACTIVE")


def update():
    blazar.lease.update(made["id"], name="chexp-renamed")
    check(blazar.lease.get(made["id"])["name"] == "chexp-renamed", "the name did not change")


def prolong():
    before = blazar.lease.get(made["id"])["end_date"]
    blazar.lease.update(made["id"], prolong_for="1h")
    check(blazar.lease.get(made["id"])["end_date"] > before, "the end did not move")


def refused():
    try:
        blazar.lease.create(name="x", start=later(2), end=later(1), reservations=[dict(RESERVATION)], events=[])
    except Exception as error:
        check("End date must be later" in str(error), str(error))
        return
    raise AssertionError("a lease that ends before it starts")


made = s.step("create a lease", create)
s.step("be refused with the server's words", refused)
s.step("list leases", lambda: check(any(l["id"] == made["id"] for l in blazar.lease.list()), "not in the list"))
s.step("wait until it is active", active)
s.step("rename it", update)
s.step("prolong it by an hour", prolong)
failed = s.failed

s = Steps("zunclient")
zun = Zun("1.40", session=sess)  # the newest that Debian's knows


def run():
    box = zun.containers.run(name="chexp-debian", image="debian:bookworm-slim", command=["sleep", "infinity"],
                             hints={"reservation": made["reservations"][0]["id"]})
    uuid = box.uuid

    def up():
        now = zun.containers.get(uuid)
        check(now.status != "Error", now.status_reason)
        return now.status == "Running"
    wait("the container", up)
    return uuid


def put():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"a\n"))
    zun.containers.put_archive(uuid, "/root", data.getvalue())
    check(zun.containers.execute(uuid, command="cat /root/a.txt", run=True)["output"] == "a\n", "it did not arrive")


def get():
    answer = zun.containers.get_archive(uuid, "/root")
    data = answer["data"]
    if isinstance(data, str):
        data = base64.b64decode(data)
    names = tarfile.open(fileobj=io.BytesIO(data)).getnames()
    check("./a.txt" in names, names)


def interactive():
    answer = zun.containers.execute(uuid, command="sh -c 'read line; echo got $line; echo EXIT:$?'", run=False, interactive=True)
    check(len(answer["exec_id"]) == 64 and answer["exit_code"] is None, answer)
    socket = websocket.create_connection(answer["proxy_url"], subprotocols=["binary", "base64"], suppress_origin=True, timeout=60)
    socket.send_binary(b"this\n")
    output = b""
    while b"EXIT:0" not in output:
        output += socket.recv()
    check(output == b"got this\nEXIT:0\n", output)


def conflict():
    try:
        zun.containers.delete(uuid)
    except Exception as error:
        check("Running state" in str(error), str(error))
        return
    raise AssertionError("a running container was deleted")


def stop_start():
    zun.containers.stop(uuid, 1)
    wait("the stop", lambda: zun.containers.get(uuid).status == "Stopped")
    zun.containers.start(uuid)
    wait("the start", lambda: zun.containers.get(uuid).status == "Running")


def delete():
    zun.containers.delete(uuid, stop=True)
    wait("it to go", lambda: uuid not in [c.uuid for c in zun.containers.list()])


uuid = s.step("run a container", run)
s.step("find it by name", lambda: check(zun.containers.get("chexp-debian").uuid == uuid, "another one"))
s.step("execute", lambda: check(zun.containers.execute(uuid, command="true", run=True)["exit_code"] == 0, "no 0"))
s.step("execute interactively over a websocket", interactive)
s.step("put_archive", put)
s.step("get_archive", get)
s.step("logs", lambda: check(zun.containers.logs(uuid, stdout=True, stderr=True) == "", "something was said"))
s.step("stats", lambda: check(zun.containers.stats(uuid)["memory"].endswith("Ki"), "no memory"))
s.step("attach", lambda: check(str(zun.containers.attach(uuid)).startswith("ws"), "no address of a websocket"))
s.step("network_list", lambda: check(len(zun.containers.network_list(uuid)) == 1, "not one network"))
s.step("actions", lambda: check(zun.actions.list(uuid)[-1].action == "create", "no create"))
s.step("be refused to delete it running", conflict)
s.step("stop and start", stop_start)
s.step("delete it", delete)
failed += s.failed

# --- the commands ----------------------------------------------------------------------

s = Steps("openstack")


def appcontainer_run():
    openstack("appcontainer", "run", "--name", "chexp-cli", "--hint", "reservation=" + made["reservations"][0]["id"],
              "--expose-port", "22/tcp", "--environ", "A=b", "debian:bookworm-slim", "sleep", "infinity", text=True)
    wait("the container", lambda: openstack("appcontainer", "show", "chexp-cli")["status"] == "Running")
    return openstack("appcontainer", "show", "chexp-cli")["uuid"]


def cp():
    folder = os.environ["CONFORMANCE_DIR"]
    with open(folder + "/cp.txt", "w") as f:
        f.write("cp\n")
    openstack("appcontainer", "cp", folder + "/cp.txt", cli + ":/root", text=True)
    check(openstack("appcontainer", "exec", cli, "cat", "/root/cp.txt", text=True).strip() == "cp", "it did not arrive")


def cp_back():
    folder = os.environ["CONFORMANCE_DIR"]
    openstack("appcontainer", "cp", cli + ":/root", folder, text=True)
    check(os.path.exists(folder + "/cp.txt"), "it did not come back")


def fip():
    made_ip = openstack("floating", "ip", "create", "public")
    port = openstack("port", "list", "--device-id", cli)[0]["ID"]
    openstack("floating", "ip", "set", "--port", port, made_ip["id"], text=True)
    check(openstack("floating", "ip", "show", made_ip["id"])["port_id"] == port, "bound to nothing")
    return made_ip["id"]


def cli_delete():
    openstack("appcontainer", "delete", "--stop", cli, text=True)
    wait("it to go", lambda: cli not in [c["uuid"] for c in openstack("appcontainer", "list")])


s.step("token issue", lambda: check(openstack("token", "issue")["project_id"], "no project"))
s.step("catalog list", lambda: check({"reservation", "container"} <= {e["Type"] for e in openstack("catalog", "list")}, "services are missing"))
s.step("reservation lease list", lambda: check(made["id"] in [l["id"] for l in openstack("reservation", "lease", "list")], "not in the list"))
s.step("reservation lease show", lambda: check(openstack("reservation", "lease", "show", made["id"])["status"] == "ACTIVE", "not active"))
cli = s.step("appcontainer run, show", appcontainer_run)
s.step("appcontainer list", lambda: check(cli in [c["uuid"] for c in openstack("appcontainer", "list")], "not in the list"))
s.step("appcontainer exec", lambda: check(openstack("appcontainer", "exec", cli, "printenv", "A", text=True).strip() == "b", "not b"))
s.step("appcontainer cp to it", cp)
s.step("appcontainer cp from it", cp_back)
s.step("appcontainer logs", lambda: openstack("appcontainer", "logs", cli, text=True))
s.step("appcontainer stats", lambda: openstack("appcontainer", "stats", cli, text=True))
s.step("appcontainer stop", lambda: (openstack("appcontainer", "stop", cli, text=True),
                                     wait("the stop", lambda: openstack("appcontainer", "show", cli)["status"] == "Stopped")))
s.step("appcontainer start", lambda: (openstack("appcontainer", "start", cli, text=True),
                                      wait("the start", lambda: openstack("appcontainer", "show", cli)["status"] == "Running")))
s.step("appcontainer rename", lambda: (openstack("appcontainer", "set", "--name", "chexp-cli-2", cli, text=True),
                                       check(openstack("appcontainer", "show", cli)["name"] == "chexp-cli-2", "the old name")))
address = s.step("floating ip create, port list, floating ip set", fip)
s.step("floating ip delete", lambda: openstack("floating", "ip", "delete", address, text=True))
s.step("appcontainer delete", cli_delete)
s.step("reservation lease delete", lambda: openstack("reservation", "lease", "delete", made["id"], text=True))
s.failed += failed
s.end()
