"""python-chi at the bare-metal site, as Chameleon's tutorials drive it: a node, a server, SSH as cc."""

import contextlib
import datetime
import io
import os

from steps import Steps, check, wait

import chi
from chi import context, image, lease, network, server

s = Steps("python-chi, bare metal")
key = os.environ["CONFORMANCE_DIR"] + "/key"  # run.sh made it
context.set("keypair_name", "chexp-pychi")
context.set("keypair_private_key", key)
context.set("keypair_public_key", key + ".pub")


def reserve():
    made = lease.Lease("chexp-metal", duration=datetime.timedelta(hours=1))
    made.add_node_reservation(amount=1, node_type="compute_gigaio")
    made.submit(wait_for_active=False)
    check(made.id and made.status == "PENDING", f"lease {made.id} is {made.status}")
    return made


def hosts():
    found = chi.clients.blazar().host.list()
    check(any(h["node_type"] == "compute_gigaio" and h["hypervisor_hostname"] == h["uid"] for h in found), found)
    # The calls that python-chi makes of Chameleon's fork are in another place of PyPI's client.
    calendar = chi.clients.blazar().allocation
    booked = [a for a in calendar.list("os-hosts") if a["reservations"]]
    check(len(booked) == 1, booked)
    one = calendar.get("os-hosts", booked[0]["resource_id"])
    check(one["reservations"][0]["lease_id"] == reserved.id, one)


def images():
    names = [i.name for i in image.list_images(is_chameleon_supported=True)]
    check("CC-Ubuntu24.04-CUDA" in names, names)
    check(image.get_image("CC-Ubuntu24.04").is_chameleon_supported, "not Chameleon's")


def launch():
    made = server.Server("chexp-metal", reservation_id=reserved.node_reservations[0]["id"], image_name="CC-Ubuntu24.04")
    made.submit(show=None)
    made.refresh()
    check(made.status == "ACTIVE", f"is {made.status}")
    return made


def no_hint():
    made = server.Server("chexp-astray", reservation_id="00000000-0000-0000-0000-000000000000", image_name="CC-Ubuntu24.04")
    made.submit(show=None)
    made.refresh()
    fault = chi.clients.nova().servers.get(made.id).fault["message"]
    check(made.status == "ERROR" and fault.startswith("No valid host was found."), f"{made.status}: {fault}")
    made.delete()


def by_name():
    check(server.get_server("chexp-metal").id == box.id, "another server")
    check([v.name for v in server.list_servers()] == ["chexp-metal"], "not the one server")
    check([f.name for f in server.list_flavors()] == ["baremetal"], "other flavors")


def floating_ip():
    address = box.associate_floating_ip()
    check(box.get_floating_ip() == address, f"{box.get_floating_ip()} is not {address}")
    with contextlib.redirect_stdout(io.StringIO()):
        box.check_connectivity(timeout=60, show=None)
    return address


def execute():
    with contextlib.redirect_stdout(io.StringIO()):
        done = box.execute("id -un; exit 0")
    check(done.stdout == "cc\n", done.stdout)


def upload():
    with open(key + ".txt", "w") as f:
        f.write("hello\n")
    box.upload(key + ".txt", "/home/cc/hello.txt")
    with contextlib.redirect_stdout(io.StringIO()):
        check(box.execute("cat /home/cc/hello.txt").stdout == "hello\n", "it did not arrive")


def delete():
    ident = box.id
    box.delete()  # means to delete the address as well, but sends that to no resource's URL
    wait("the server to go", lambda: ident not in [v.id for v in chi.clients.nova().servers.list()])
    network.deallocate_floating_ip(address)
    check(address not in [f["floating_ip_address"] for f in network.list_floating_ips()], "its address is still there")


s.step("sign in", lambda: check(chi.clients.connection().current_project_id, "no project"))
reserved = s.step("reserve a node", reserve)
s.step("list hosts and allocations", hosts)
s.step("list images", images)
s.step("wait for the lease", lambda: reserved.wait(show=None))
box = s.step("launch a server with the hint", launch)
s.step("launch one with a bad hint", no_hint)
wait("the failed one to go", lambda: len(chi.clients.nova().servers.list()) < 2)
s.step("find it by name", by_name)
address = s.step("bind a floating IP", floating_ip)
s.step("execute over SSH as cc", execute)
s.step("upload over SFTP", upload)
s.step("delete the server and its address", delete)
s.step("delete the lease", lambda: reserved.delete())
s.end()
