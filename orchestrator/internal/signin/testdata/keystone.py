"""Makes and serves Debian's Keystone on loopback, with what Chameleon has in front of it.

Usage: keystone.py PORT USERINFO PASSWORD, with OS_KEYSTONE_CONFIG_DIR set. It makes
the database and the user admin with this password, as keystone-manage's db_sync and
bootstrap do, in the process that then serves: Keystone takes seconds to import. It
ends when its standard input does. GET /test/token-life/SECONDS sets how long new
tokens live.

On the real site Apache's mod_auth_openidc guards the federation address: it asks
the identity provider whose access token a request has, and passes the answer on as
request variables. Here a WSGI middleware does, by the provider's userinfo endpoint
at USERINFO; everything behind it is Keystone's own.
"""
import json
import os
import sqlite3
import sys
import threading
import urllib.request
import wsgiref.simple_server

import keystone.conf
import sqlalchemy.event
from keystone.cmd import bootstrap
from keystone.common.sql import upgrades
from keystone.server.flask import core
from sqlalchemy.engine import Engine

port, userinfo, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.argv[1:] = []
# Keystone holds a reader open while it writes, which SQLite refuses without a log.
with sqlite3.connect(os.path.join(os.environ["OS_KEYSTONE_CONFIG_DIR"], "keystone.db")) as database:
    database.execute("PRAGMA journal_mode=WAL")
database.close()


@sqlalchemy.event.listens_for(Engine, "connect")
def waits_for_no_disk(connection, _):
    connection.execute("PRAGMA synchronous=OFF")


keystone_application = core.initialize_application(
    "public", upgrades.offline_sync_database_to_version, core._get_config_files())

bootstrap.backends.load_backends = lambda: None  # they are loaded, once is all they allow
admin = bootstrap.Bootstrapper()
admin.admin_username, admin.admin_password = "admin", password
admin.project_name, admin.admin_role_name, admin.service_name = "admin", "admin", "keystone"
admin.public_url = admin.admin_url = admin.internal_url = f"http://127.0.0.1:{port}/v3"
admin.region_id, admin.immutable_roles = "CHI@Edge", True
admin.bootstrap()


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/test/token-life/"):
        keystone.conf.CONF.set_override("expiration", int(environ["PATH_INFO"].rpartition("/")[2]), "token")
        start_response("204 No Content", [])
        return []
    environ.pop("HTTP_OIDC_ISS", None)  # nobody sends these from outside
    if environ["PATH_INFO"].startswith("/v3/OS-FEDERATION/") and environ["PATH_INFO"].endswith("/auth"):
        request = urllib.request.Request(userinfo, headers={"Authorization": environ.get("HTTP_AUTHORIZATION", "")})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                claims = json.load(answer)
        except OSError:
            start_response("401 Unauthorized", [("Content-Type", "text/html")])
            return [b"<html><head><title>401 Unauthorized</title></head></html>"]
        environ.update({"REMOTE_USER": claims["preferred_username"], "HTTP_OIDC_ISS": "emulator",
                        "OIDC-preferred_username": claims["preferred_username"]})
        environ["AUTH_TYPE"] = "auth-openidc"
    return keystone_application(environ, start_response)


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
with wsgiref.simple_server.make_server("127.0.0.1", port, application, handler_class=Quiet) as server:
    print("serving", flush=True)
    server.serve_forever()
