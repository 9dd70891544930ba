package findings

import "chexp/experiments/words"

// Longest texts that a report takes over, in runes.
const (
	maxName     = words.MaxName
	maxSentence = words.MaxSentence
)
