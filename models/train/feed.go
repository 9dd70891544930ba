package train

import "chexp/models/plates"

// batch is what one step sees.
type batch struct {
	patches []float32 // [27, pictures × (size/2)²]
	targets []float32 // [classes, pictures]
	labels  []int
}

// right counts the pictures whose highest output is their own class's.
func (b batch) right(logits []float32, classes int) int {
	n, count := len(b.labels), 0
	for i, label := range b.labels {
		best := 0
		for k := range classes {
			if logits[k*n+i] > logits[best*n+i] {
				best = k
			}
		}
		if best == label {
			count++
		}
	}
	return count
}

// feed draws the batches ahead of their use.
type feed struct {
	batches chan batch
	stop    chan struct{}
}

// newFeed draws from the given picture on; none is ever drawn twice.
func newFeed(set string, from int, phase Phase, classes int, smoothing float64) *feed {
	f := &feed{batches: make(chan batch, 2), stop: make(chan struct{})}
	go func() {
		for {
			select {
			case f.batches <- drawBatch(set, from, phase, classes, smoothing):
				from += phase.Batch
			case <-f.stop:
				return
			}
		}
	}()
	return f
}

func (f *feed) next() batch { return <-f.batches }
func (f *feed) close()      { close(f.stop) }

func drawBatch(set string, from int, phase Phase, classes int, smoothing float64) batch {
	n, side := phase.Batch, phase.Size/2
	b := batch{
		patches: make([]float32, 27*n*side*side),
		targets: make([]float32, classes*n),
		labels:  make([]int, n),
	}
	planes := make([]float32, 3*phase.Size*phase.Size)
	for i := range n {
		picture, err := plates.Draw(set, from+i, phase.Size)
		if err != nil {
			panic(err) // the plan's sizes are wrong
		}
		plates.Input(planes, picture)
		cut(b.patches, planes, i, n, phase.Size)
		b.labels[i] = plates.Label(from + i)
		for k := range classes {
			b.targets[k*n+i] = float32(smoothing / float64(classes))
		}
		b.targets[b.labels[i]*n+i] += float32(1 - smoothing)
	}
	return b
}

// cut writes the 3×3 patches, two pixels apart, that the stem's convolution
// sees of picture i of n; beyond the picture is zero.
func cut(patches, planes []float32, i, n, size int) {
	side := size / 2
	for row := range 27 {
		ch, ky, kx := row/9, row/3%3, row%3
		dst := patches[row*n*side*side+i*side*side:]
		for y := range side {
			sy := 2*y + ky - 1
			if sy < 0 || sy >= size {
				continue
			}
			src := planes[ch*size*size+sy*size:]
			for x := range side {
				if sx := 2*x + kx - 1; sx >= 0 && sx < size {
					dst[y*side+x] = src[sx]
				}
			}
		}
	}
}
