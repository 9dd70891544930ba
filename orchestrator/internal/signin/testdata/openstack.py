# Debian's `openstack token issue`, once for each case of the list on standard
# input: {"dir": …, "env": {…}}. Starting it takes seconds, so it is loaded once
# and each case is a fork, in its own directory and environment. The answer is
# a list of {"project": …} or {"error": …}.
import importlib, io, json, os, sys, warnings

for name in [k for k in os.environ if k.startswith("OS_")]:
    del os.environ[name]
import openstackclient.shell
import openstack.config.loader


def issue(case, answer):
    os.chdir(case["dir"])
    os.environ.clear()
    os.environ.update(case["env"])
    importlib.reload(openstack.config.loader)  # it looks for the directories when it is loaded
    out, err = io.StringIO(), io.StringIO()
    sys.stdout, sys.stderr, sys.stdin = out, err, open(os.devnull)
    try:
        rc = openstackclient.shell.main(["token", "issue", "-f", "value", "-c", "project_id"])
    except SystemExit as e:
        rc = e.code
    except BaseException as e:
        rc, _ = 1, err.write("%s: %s" % (type(e).__name__, e))
    text = err.getvalue().strip()
    json.dump({"project": out.getvalue().strip()} if rc == 0 else {"error": text[-300:] or "exit %s" % rc}, answer)
    answer.flush()
    os._exit(0)


warnings.simplefilter("ignore")
answers = []
for case in json.load(sys.stdin):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        issue(case, os.fdopen(w, "w"))
    os.close(w)
    with os.fdopen(r) as f:
        said = f.read()
    os.waitpid(pid, 0)
    answers.append(json.loads(said or '{"error": "no answer"}'))
json.dump(answers, sys.stdout)
