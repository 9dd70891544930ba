package trial

// Work is what one inference of a model must do at least, in any runtime. It is
// counted from the model's file for one input (batch 1).
type Work struct {
	// Float and Integer count multiply-adds: one multiplication with the
	// addition that follows, of convolutions and matrix products; all else is
	// small beside them. Integer counts those on 8-bit values.
	Float   int64 `json:"float_multiply_adds"`
	Integer int64 `json:"integer_multiply_adds"`
	// WeightBytes is read once per inference whatever the batch; ActivationBytes
	// (the model's inputs and outputs) once per input.
	WeightBytes     int64 `json:"weight_bytes"`
	ActivationBytes int64 `json:"activation_bytes"`
}
