#!/bin/bash
# Other people's clients against the emulated CHI@Edge and CHI@UC: python-chi from its own package,
# and Debian's python3-blazarclient, python3-zunclient and openstack commands. One line per step,
# then "N of N". Needs root or sudo-less Debian packages (python3-openstackclient python3-zunclient
# python3-blazarclient python3-venv openssh-client) and, once, PyPI; what it fetches stays in
# ${CHEXP_CACHE:-~/.cache/chexp}.
#
# usage: run.sh [CHEXP]      CHEXP is the chexp to test, bin/chexp by default
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
chexp=${1:-$root/bin/chexp}
python=/usr/bin/python3

[ -x "$chexp" ] || { echo "there is no $chexp: make build images" >&2; exit 2; }
missing=()
for module in blazarclient zunclient openstackclient venv; do
	"$python" -c "import $module" 2>/dev/null || missing+=("python3-$module")
done
[ ${#missing[@]} = 0 ] || { echo "missing: apt-get install ${missing[*]}" >&2; exit 2; }

# python-chi lives in an environment of its own, named after what is in it.
cache=${CHEXP_CACHE:-$HOME/.cache/chexp}
venv=$cache/conformance-$(sha256sum "$here/requirements.txt" | cut -c1-12)
if [ ! -e "$venv/.complete" ]; then
	echo "# installing python-chi into $venv (some minutes, once)"
	rm -rf "$venv"
	mkdir -p "$cache"
	"$python" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
	touch "$venv/.complete"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/chexp-conformance-XXXXXX")
"$chexp" emulator --dir "$work/cloud" --tick 500ms --pull 300ms --site CHI@UC --deploy 2s >"$work/emulator.log" 2>&1 &
emulator=$!
cleanup() {
	kill "$emulator" 2>/dev/null || true
	wait "$emulator" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
for _ in $(seq 300); do
	[ -s "$work/cloud/openrc.sh" ] && break
	kill -0 "$emulator" 2>/dev/null || { cat "$work/emulator.log" >&2; exit 2; }
	sleep 0.1
done
[ -s "$work/cloud/openrc.sh" ] || { echo "the emulator did not start" >&2; exit 2; }

# Nothing of the caller's own cloud may leak in.
for v in ${!OS_@}; do unset "$v"; done
. "$work/cloud/openrc.sh"
export CHEXP=$(realpath "$chexp") CHEXP_CACHE=$cache CONFORMANCE_DIR=$work HOME=$work MPLCONFIGDIR=$work PYTHONWARNINGS=ignore

status=0
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
( cd "$here" && PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" pychi.py 2>"$work/pychi.err" ) | grep -E '^(ok|not ok) ' | tee -a "$work/steps" || status=1
( cd "$here" && PYTHONDONTWRITEBYTECODE=1 "$python" debian.py 2>"$work/debian.err" ) | grep -E '^(ok|not ok) ' | tee -a "$work/steps" || status=1

control=${OS_AUTH_URL%/v3}/_emulator/state
. "$work/cloud/openrc-uc.sh" # the bare-metal site has a Keystone of its own
( cd "$here" && PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" pychimetal.py 2>"$work/pychimetal.err" ) | grep -E '^(ok|not ok) ' | tee -a "$work/steps" || status=1
( cd "$here" && PYTHONDONTWRITEBYTECODE=1 "$python" metal.py 2>"$work/metal.err" ) | grep -E '^(ok|not ok) ' | tee -a "$work/steps" || status=1

# What a client made and did not give back is left over.
left=$("$python" - "$control" <<'EOF'
import json, sys, urllib.request
state = json.load(urllib.request.urlopen(sys.argv[1]))
print(sum(len(state[k]) for k in ("leases", "containers", "floating_ips", "servers")))
EOF
)
if [ "$left" = 0 ]; then echo "ok cloud: nothing is left" ; else echo "not ok cloud: $left things are left"; status=1; fi | tee -a "$work/steps"
[ "$left" = 0 ] || status=1

good=$(grep -c '^ok ' "$work/steps" || true)
all=$(wc -l <"$work/steps")
if [ "$good" != "$all" ] || [ "$all" -lt 80 ]; then
	status=1
	tail -n 60 "$work"/*.err >&2
fi
echo "$good of $all"
exit $status
