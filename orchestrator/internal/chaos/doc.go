// Package chaos holds a campaign and no code: its tests let the real bin/chexp run
// against the emulator, with everything going wrong that can, and judge what is
// left. `make chaos` runs it, TestSlice a few of its cases in `make test`.
//
// Between chexp and the emulator stands a proxy (proxy_test.go) that answers a chosen
// request of a run wrongly; session_test.go sends signals, home_test.go damages the
// run's directory, judge_test.go says what must hold at the end.
package chaos
