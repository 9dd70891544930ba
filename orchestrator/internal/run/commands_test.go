package run

import (
	"os"
	"testing"
)

func TestCommandsArePasteable(t *testing.T) {
	plain := Commands{Run: "20261123t110445z-a-issf"}
	far := Commands{Program: "/opt/my tools/chexp", Run: "/data/it's/20261123t110445z-a-issf",
		Flags: []string{"--runs", "$HOME/runs"}}
	for _, c := range []struct{ got, want string }{
		{plain.Resume(), "chexp run --resume 20261123t110445z-a-issf"},
		{Commands{}.Resume(), "chexp run --resume RUN"}, // no run is known: the reader sees what to put there
		{plain.Fetch("--from", "/tmp/a b"), "chexp results fetch 20261123t110445z-a-issf --from '/tmp/a b'"},
		{plain.Show(), "chexp results show 20261123t110445z-a-issf"},
		{plain.DeleteLease("a;b"), "chexp lease delete 'a;b'"},
		{far.Resume(),
			`'/opt/my tools/chexp' run --resume '/data/it'\''s/20261123t110445z-a-issf' --runs '$HOME/runs'`},
	} {
		if c.got != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
	}
}

// Who comes back to a booking may be in another directory by then.
func TestCommandsWorkAnywhere(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	near := Commands{Program: "bin/chexp", Run: "issf", Flags: []string{"--runs", "mine", "--os-cloud", "edge"}}
	if got, want := near.Anywhere("mine/1-a-issf").Resume(), here+"/bin/chexp run --resume "+here+"/mine/1-a-issf "+
		"--os-cloud edge"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Commands{}).Anywhere("/data/x").Resume(); got != "chexp run --resume /data/x" {
		t.Error(got) // found by PATH
	}
}
