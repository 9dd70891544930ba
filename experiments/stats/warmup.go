package stats

// SlowStart finds how many values at the beginning of a sequence are slower
// than the rest, and by what ratio of medians: 0 and 1 where there is no slow
// start. In fewer than 30 values hardly any is found.
func SlowStart(ordered []int64) (length int, ratio float64) { return slowStart(ordered) }
