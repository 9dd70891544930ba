#!/bin/bash
# Other people's programs on what chexp writes about a run: the RO-Crate validator on `results pack`, MLflow's client and
# benchstat on `results export`. One line per step, then "N of N". Needs python3-venv, unzip and, once, PyPI and the Go
# module proxy; what it fetches stays in ${CHEXP_CACHE:-~/.cache/chexp}.
#
# usage: run.sh [CHEXP]      CHEXP is the chexp to test, bin/chexp by default
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
chexp=$(realpath "${1:-$root/bin/chexp}")

cache=${CHEXP_CACHE:-$HOME/.cache/chexp}
venv=$cache/results-conformance-$(sha256sum "$here/requirements.txt" | cut -c1-12)
if [ ! -e "$venv/.complete" ]; then
	echo "# installing the RO-Crate validator and MLflow into $venv (some minutes, once)"
	rm -rf "$venv"
	mkdir -p "$cache"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
	touch "$venv/.complete"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/chexp-conformance-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
good=0 all=0
step() { # NAME CMD...
	local name=$1
	shift
	all=$((all + 1))
	if "$@" >step.log 2>&1; then good=$((good + 1)); echo "ok $name"; else echo "not ok $name"; cat step.log; fi
}
not() { ! "$@"; }

cat >exp.yaml <<'YAML'
apiVersion: chexp/v1
name: conformance
site: local
models: [{name: tiny, builtin: tiny-cnn}]
providers: [cpu]
threads: [1, 2]
trials: {warmup: 1, min_runs: 20, min_time: 50ms, max_time: 5s, timeout: 60s}
YAML
step "a run" "$chexp" run exp.yaml
step "crate: pack" "$chexp" results pack latest -o run.zip --files --author "Ada <https://orcid.org/0000-0002-1825-0097>"
step "crate: unzip reads it" unzip -qo run.zip -d crate
step "crate: valid to roc-validator" "$venv/bin/python" "$here/crate.py" crate
cp -r crate bad && sed -i 's/"datePublished"/"name2"/' bad/ro-crate-metadata.json
step "crate: a bad one is not" not "$venv/bin/python" "$here/crate.py" bad
step "export: mlflow" "$chexp" results export latest --to mlflow
step "export: MLflow's client reads the folder" "$venv/bin/python" "$here/tracking.py" mlruns 2
step "export: bench" "$chexp" results export latest --to bench -o bench.txt
step "export: benchstat reads it" sh -c 'cd "$1" && GOFLAGS=-mod=mod go run golang.org/x/perf/cmd/benchstat@"$(go list -m -f "{{.Version}}" golang.org/x/perf)" "$2/bench.txt" | grep "provider=cpu/threads=2"' - "$root" "$work"
echo "$good of $all"
[ "$good" = "$all" ]
