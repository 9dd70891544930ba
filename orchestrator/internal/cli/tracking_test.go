package cli

import "testing"

// A database or a service is no folder: nothing is written under its name.
func TestTrackingFolder(t *testing.T) {
	for uri, want := range map[string]string{
		"": "mlruns", "./mlruns": "./mlruns", "/data/ml runs": "/data/ml runs", "a/b:c": "a/b:c",
		"file:///data/ml%20runs": "/data/ml runs", "file:ml%20runs": "ml runs", "file:/data": "/data",
		"file://localhost/data": "/data", "file://elsewhere/data": "", "file:": "", "file:%zz": "",
		"sqlite:///mlflow.db": "", "databricks": "", "databricks://profile": "", "mysql://me:secret@db/x": "",
	} {
		if got := trackingFolder(uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}
