package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/models/pictures"
)

// packPictures packs the user's evaluation pictures, if the experiment has any,
// and adds the pack to files under its SHA-256. That happens before anything is
// created, as a broken picture must not cost anybody a device.
func packPictures(
	ctx context.Context, e *spec.Experiment, cache string, files map[string]string, say func(string),
) error {
	a := e.Accuracy
	if a == nil || a.Path == "" {
		return nil
	}
	say("packing the pictures of " + a.Path)
	p, err := pictures.Source{
		Path: a.Path, Labels: a.Labels, Limit: a.Pictures, Resize: a.Preprocess.Resize, Crop: a.Preprocess.Crop,
		Header: pictures.Header{Mean: a.Preprocess.Mean, Std: a.Preprocess.Std, Layout: a.Preprocess.Layout},
	}.Pack(ctx, filepath.Join(cache, "pictures"))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return failure.Usage.Errorf("accuracy.data").
			Advise("put the pictures in one folder for each class, each a JPEG, PNG or GIF that opens, " +
				"and start again").
			Because(err)
	}
	a.Pack = &spec.Pack{SHA256: p.SHA256, Bytes: p.Bytes, Pictures: p.Pictures}
	files[p.SHA256] = p.Path
	say(fmt.Sprintf("packed %d pictures (%s)", p.Pictures, spec.FormatBytes(p.Bytes)))
	return nil
}
