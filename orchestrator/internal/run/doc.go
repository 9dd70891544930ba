// Package run carries one experiment out. It owns the interfaces of what it needs
// ([Site], [Observer]) and knows no cloud.
//
//	Execute → execution: phases in order, report, the journal's end
//	          └ attempt: one device held once; one at a time for each slot of the run
//	              lease.go → container.go → push.go → follow.go → fetch.go → release.go
//	              the journal knows of it what [AttemptState] holds
//
// A run has one device or several, its slots, counted from 1 (several.go). Each
// measures the whole plan and has its files below devices/<n>; they share the
// journal, whose entries say which slots they are about, and their lease, in which
// each has a reservation of its own.
//
// Three rules make it safe to kill at any moment:
//
//   - Before each call that creates something, the journal holds an intent with
//     the deterministic name under which that thing can be found again; after
//     it, the server's id. [Replay] turns the journal back into a [State].
//   - Every phase may be repeated. A lease or container that carries the run's
//     name is adopted, not made again; the push sends only what is missing; the
//     agent's start is idempotent; results are written once.
//   - What was acquired is given back in reverse order whatever happens, under
//     a context of its own, so that Ctrl-C still frees the device.
//
// Once all is given back, the run looks for its things by name ([Stock]): a request of
// a process that died may be carried out after it. [End] does for a process that died
// what an interruption does.
//
// A resumed run whose lease is gone takes a new one: that is attempt 2. It
// measures only the trials that have no whole result yet.
package run
