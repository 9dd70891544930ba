"""Reads what `chexp results export --to mlflow` wrote with MLflow's own client.

usage: tracking.py STORE N: there are N runs, each whole, with a latency for each inference and its raw result."""
import os
import sys

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
from mlflow.tracking import MlflowClient  # noqa: E402

client = MlflowClient(sys.argv[1])
runs = [r for e in client.search_experiments() for r in client.search_runs([e.experiment_id])]
for r in runs:
    steps = client.get_metric_history(r.info.run_id, "latency_ms")
    files = [a.path for a in client.list_artifacts(r.info.run_id)]
    assert r.info.status == "FINISHED" and r.data.params["model"] == "tiny", r
    assert len(steps) == min(r.data.metrics["n"], 2000) and len({m.step for m in steps}) == len(steps), r
    assert r.data.tags["chexp.validity"] in ("VALID", "SUSPECT", "INVALID") and files == ["result.json"], r
    print(r.info.run_name, len(steps))
sys.exit(len(runs) != int(sys.argv[2]))
