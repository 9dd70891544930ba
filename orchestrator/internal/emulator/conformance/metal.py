"""Debian's openstack commands and python3-blazarclient at the bare-metal site."""

import datetime
import os
import subprocess

from debianclient import client_session, openstack
from steps import Steps, check, wait

from blazarclient.client import Client as Blazar

s = Steps("openstack, bare metal")
key = os.environ["CONFORMANCE_DIR"] + "/key"
blazar = Blazar("1", service_type="reservation", session=client_session())


def reserve():
    end = (datetime.datetime.utcnow() + datetime.timedelta(hours=1)).strftime("%Y-%m-%d %H:%M")
    openstack("reservation", "lease", "create", "--start-date", datetime.datetime.utcnow().strftime("%Y-%m-%d %H:%M"), "--end-date", end,
              "--reservation", 'resource_type=physical:host,min=1,max=1,resource_properties=["=","$node_type","compute_gigaio"],'
              "hypervisor_properties=", "chexp-metal-cli", text=True)  # it prints a sentence before any format
    return openstack("reservation", "lease", "show", "chexp-metal-cli")["id"]


def active():
    wait("the lease", lambda: blazar.lease.get(lease)["status"] == "ACTIVE")
    return blazar.lease.get(lease)["reservations"][0]["id"]


def create(name, hint):
    return openstack("server", "create", "--image", "CC-Ubuntu24.04-CUDA", "--flavor", "baremetal", "--network", "sharednet1",
                     "--key-name", "chexp-cli", "--hint", "reservation=" + hint, name)["id"]


def launch():
    ident = create("chexp-cli", reservation)
    wait("the server", lambda: openstack("server", "show", ident)["status"] == "ACTIVE")
    return ident


def bad_hint():
    ident = create("chexp-astray", lease)  # the lease's id is not the reservation's
    wait("the failure", lambda: openstack("server", "show", ident)["status"] == "ERROR")
    fault = openstack("server", "show", ident)["fault"]
    check("No valid host was found" in str(fault), fault)
    openstack("server", "delete", "--wait", ident, text=True)


def fip():
    made = openstack("floating", "ip", "create", "public")
    openstack("server", "add", "floating", "ip", box, made["floating_ip_address"], text=True)
    check(made["floating_ip_address"] in str(openstack("server", "show", box)["addresses"]), "not among its addresses")
    return made["floating_ip_address"]


def ssh():
    def run():
        return subprocess.run(["ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
                               "-o", "UserKnownHostsFile=/dev/null", "cc@" + address, "id -un"], capture_output=True, text=True, timeout=60)
    wait("ssh", lambda: run().stdout == "cc\n")


s.step("catalog list", lambda: check({"reservation", "compute", "image"} <= {e["Type"] for e in openstack("catalog", "list")}, "services are missing"))
s.step("reservation host list", lambda: check(len(openstack("reservation", "host", "list")) == 5, "not five"))
s.step("image list", lambda: check("CC-Ubuntu24.04-ROCm" in [i["Name"] for i in openstack("image", "list")], "no ROCm image"))
s.step("flavor list", lambda: check([f["Name"] for f in openstack("flavor", "list")] == ["baremetal"], "other flavors"))
s.step("network list", lambda: check({"public", "sharednet1"} == {n["Name"] for n in openstack("network", "list")}, "other networks"))
s.step("keypair create, list", lambda: (openstack("keypair", "create", "--public-key", key + ".pub", "chexp-cli", text=True),
                                        check("chexp-cli" in [k["Name"] for k in openstack("keypair", "list")], "not in the list")))
lease = s.step("reservation lease create", reserve)
reservation = s.step("the lease becomes active", active)
box = s.step("server create with the hint, show", launch)
s.step("server create with a bad hint: ERROR", bad_hint)
s.step("server list", lambda: check([v["Name"] for v in openstack("server", "list")] == ["chexp-cli"], "not the one server"))
address = s.step("floating ip create, server add floating ip", fip)
s.step("ssh as cc", ssh)
s.step("floating ip delete", lambda: openstack("floating", "ip", "delete", address, text=True))
s.step("server delete", lambda: openstack("server", "delete", "--wait", box, text=True))
s.step("keypair delete", lambda: openstack("keypair", "delete", "chexp-cli", text=True))
s.step("reservation lease delete", lambda: openstack("reservation", "lease", "delete", lease, text=True))
s.end()
