package run

import "testing"

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
