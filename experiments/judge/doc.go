// Package judge is the one place where a run is judged. It holds the results of
// a run against the plan and the budgets of its experiment, and says
//
//   - of each [Trial] what speaks against its result, and how it stands to each
//     [Budget]: an [Answer] with a [Verdict], met, NOT met, UNDECIDED or unknown;
//   - of each [Option] (a model on a provider with so many threads) the verdicts
//     over all its repetitions;
//   - of the [Run] the [Decision]: which options meet every budget, which of them
//     is the smallest and which the fastest, or how near the others came;
//   - and the [Ratio] of each option's latency to that of its base.
//
// Who draws a report or puts runs side by side takes all that from here and
// judges nothing. The package is pure: no network, no files, no clock.
//
// Three rules hold. A number that could not be measured stays unread, with its
// reason; it is never zero. Nothing is decided from a trial that failed, that
// contradicts itself, that a check found INVALID, or whose sample cannot carry
// the percentile that is asked for. Whatever came from a device is hostile: every
// text is bounded and stripped of control characters here.
//
// A verdict is about a budget. Whether latencies can be believed at all is
// another question, answered with VALID, SUSPECT or INVALID: [stats.Validity].
//
// To add a metric that budgets can limit, add it to metric.go, and to the list
// in the documentation of package spec.
package judge
