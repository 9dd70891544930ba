package cli_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"chexp/experiments/trial"
	"chexp/models/plates"
)

// drawPlates writes evaluation pictures as files, one folder for each class:
//
//	draw DIR N SIZE
func drawPlates(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	size, err := strconv.Atoi(args[2])
	ts.Check(err)
	for id := range n {
		pixels, err := plates.Draw(plates.Evaluation, id, size)
		ts.Check(err)
		img := image.NewNRGBA(image.Rect(0, 0, size, size))
		for i := range size * size {
			copy(img.Pix[4*i:], pixels[3*i:3*i+3])
			img.Pix[4*i+3] = 255
		}
		dir := ts.MkAbs(filepath.Join(args[0], plates.Kinds[plates.Label(id)]))
		ts.Check(os.MkdirAll(dir, 0o777))
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%06d.png", id)))
		ts.Check(err)
		ts.Check(png.Encode(f, img))
		ts.Check(f.Close())
	}
}

// accuraciesIn reads what the results below a directory of runs say.
func accuraciesIn(ts *testscript.TestScript, dir string) map[string]trial.Accuracy {
	files, _ := filepath.Glob(ts.MkAbs(dir + "/*/results/*.json"))
	if len(files) == 0 {
		ts.Fatalf("there are no results in %s", dir)
	}
	out := map[string]trial.Accuracy{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		ts.Check(err)
		var r trial.Result
		ts.Check(json.Unmarshal(data, &r))
		a, ok := r.Accuracy.Get()
		if !ok {
			ts.Fatalf("%s: no accuracy: %s", f, r.Accuracy.Unavailable)
		}
		if before, ok := out[r.Model.Name]; ok && before.Right != a.Right {
			ts.Fatalf("%s: %d right here, %d in another trial of the model", f, a.Right, before.Right)
		}
		out[r.Model.Name] = a
	}
	return out
}

// wantAccuracies checks what every result says about accuracy. Two models with
// the same bytes must agree.
//
//	accuracies DIR DATA PICTURES
func wantAccuracies(ts *testscript.TestScript, neg bool, args []string) {
	for name, a := range accuraciesIn(ts, args[0]) {
		g, ok := a.Agreement.Get()
		if a.Data != args[1] || strconv.Itoa(a.Pictures) != args[2] || a.Right > a.Pictures ||
			a.Interval.Low > a.Top1 || a.Interval.High < a.Top1 ||
			!ok || g.Same != g.Pictures || g.Reference != "tiny on cpu" {
			ts.Fatalf("%s: %+v", name, a)
		}
	}
}

// sameAccuracies compares two directories of runs.
//
//	same-accuracies DIR DIR
func sameAccuracies(ts *testscript.TestScript, neg bool, args []string) {
	a, b := accuraciesIn(ts, args[0]), accuraciesIn(ts, args[1])
	for name := range a {
		if a[name].Right != b[name].Right || a[name].Pictures != b[name].Pictures {
			ts.Fatalf("%s: %d of %d right, and %d of %d", name, a[name].Right, a[name].Pictures, b[name].Right,
				b[name].Pictures)
		}
	}
}
