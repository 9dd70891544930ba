"""Serves Debian's Keystone on loopback, with what Chameleon has in front of it.

Usage: keystone.py PORT USERINFO, with OS_KEYSTONE_CONFIG_DIR set; it ends when its
standard input does.

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

from keystone.server.wsgi import initialize_public_application

port, userinfo = int(sys.argv[1]), sys.argv[2]
sys.argv[1:] = []
# Keystone holds a reader open while it writes, which SQLite refuses without a log.
with sqlite3.connect(os.path.join(os.environ["OS_KEYSTONE_CONFIG_DIR"], "keystone.db")) as database:
    database.execute("PRAGMA journal_mode=WAL")
database.close()
keystone = initialize_public_application()


def application(environ, start_response):
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
    return keystone(environ, start_response)


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
