package validity

import (
	"fmt"

	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// checkBlockStart asks whether the first inferences of blocks, which run on what
// another trial left in the caches, count: by how much they move the median.
func checkBlockStart(r *trial.Result, sample stats.Sample) stats.Check {
	if len(r.Blocks) < 2 {
		return unread(BlockStart, "the trial took no turns with others")
	}
	whole := r.Whole()
	start, ok := stats.BlockStart(whole)
	if !ok || len(whole) != len(r.Blocks) {
		return unread(BlockStart, "it takes six blocks of six inferences to see one")
	}
	later, counted := []int64{}, 0
	for i, b := range r.Blocks {
		out := max(0, min(start.Slow, len(whole[i])/2)-len(b.SettledNS))
		counted = max(counted, out)
		later = append(later, whole[i][len(b.SettledNS)+out:]...)
	}
	if start.Slow == 0 {
		return graded(BlockStart, 0, unsettled, grave, "the first inferences of a block are as fast as the others", "")
	}
	text := fmt.Sprintf("the first inference of a block, after another trial's, is %s slower",
		words.Percent(start.Ratio-1))
	if start.Slow > 1 {
		text = fmt.Sprintf("the first %d inferences of a block, after another trial's, are slower, the very first by %s",
			start.Slow, words.Percent(start.Ratio-1))
	}
	if start.Half {
		text += "; blocks are too short to see the end of it"
	}
	if counted == 0 {
		return graded(BlockStart, 0, unsettled, grave, text+"; what is slower is not counted", "")
	}
	moved := max(0, sample.Median()/stats.NewSample(later).Median()-1)
	return graded(BlockStart, moved, unsettled, grave,
		fmt.Sprintf("%s; %s of that count, which makes the median %s slower", text,
			words.Plural(counted, "inference"), words.Percent(moved)),
		"raise trials.block, so that more of a block is after its beginning")
}
