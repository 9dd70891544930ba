package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/models/pictures"
	"chexp/models/pictures/pack"
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
	p, err := pictureSource(a).Pack(ctx, filepath.Join(cache, "pictures"))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return badPictures(err)
	}
	a.Pack = &spec.Pack{SHA256: p.SHA256, Bytes: p.Bytes, Pictures: p.Pictures, Classes: p.Count}
	files[p.SHA256] = p.Path
	say(fmt.Sprintf("packed %d pictures (%s)", p.Pictures, spec.FormatBytes(p.Bytes)))
	say(words.Printable(p.Classes))
	for _, text := range dataNotes(p.LeftOut, p.Turned, a.Preprocess.EXIF, "preprocess: {exif: true}") {
		say("! " + words.Printable(text))
	}
	return nil
}

func pictureSource(a *spec.Accuracy) pictures.Source {
	return pictures.Source{
		Path: a.Path, Labels: a.Labels, Classes: a.Classes, Limit: a.Pictures,
		Resize: a.Preprocess.Resize, Crop: a.Preprocess.Crop, EXIF: a.Preprocess.EXIF,
		Header: pack.Header{Mean: a.Preprocess.Mean, Std: a.Preprocess.Std, Layout: a.Preprocess.Layout},
	}
}

func badPictures(err error) error {
	return failure.Usage.Errorf("accuracy.data").
		Advise("put the pictures in one folder for each class, each a %s that opens, "+
			"and start again", pictures.Formats).
		Because(err)
}

// dataNotes says what of somebody's data is not used, and what lies otherwise
// than it seems. flag asks for pictures to be turned upright.
func dataNotes(left pictures.LeftOut, turned int, upright bool, flag string) (notes []string) {
	if n := left.Count(); n > 0 {
		notes = append(notes, fmt.Sprintf("left out %s that %s no %s picture: %v", words.Plural(n, "file"),
			map[bool]string{true: "is", false: "are"}[n == 1], pictures.Formats, left))
	}
	switch {
	case turned > 0 && upright:
		notes = append(notes, fmt.Sprintf("%s turned upright, as EXIF data says", words.Plural(turned, "picture")))
	case turned > 0:
		notes = append(notes, fmt.Sprintf("%s not upright by EXIF data, used as stored; %s turns them",
			words.Plural(turned, "picture"), flag))
	}
	return notes
}
