// Command chexp-agent measures on the device. It is one static file that needs
// nothing of the image it runs in; it carries the runner and ONNX Runtime (see
// package payload) and works in the directory that the orchestrator pushed (the
// bundle; see package trial for its layout).
//
//	chexp-agent start DIR [--for D]           check the bundle, run it in the background, for so long
//	chexp-agent status DIR [--since N] [--max-bytes B]
//	chexp-agent stop DIR [--wait D] [--why T] end the run in order; it can be started again
//	chexp-agent run DIR                       run in the foreground, events on stdout
//	chexp-agent infer                         serve models on the standard streams (package models/infer)
//	chexp-agent try                           run one model once (trial.Try on standard input; the answer goes to a pipe)
//	chexp-agent version [--json]
//
// start, status and stop print a trial.StatusReply as JSON lines: events (status
// only), then the state. They answer within a second or two, because Zun cuts an
// exec off after 5 s. Each may be repeated when its answer was lost: start of a
// bundle that runs or has finished starts nothing and says so.
//
// A run ends early by stop, by SIGTERM, and when the time that start gave it is
// over. It then leaves a partial result of every trial that has blocks. Another
// start carries on, after a crash too: it keeps the blocks that are on record,
// measures the next round of the interrupted trials, and begins the others.
//
// Exit codes: 0 ok; 1 unexpected; 2 wrong arguments; 3 some trials failed (run
// only); 4 the bundle is not what was pushed (sums or plan).
package main
