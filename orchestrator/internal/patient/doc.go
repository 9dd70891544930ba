// Package patient talks to services that have bad moments. [Client] is an HTTP
// client that bounds what it reads, [Retry] sends again what is safe to repeat,
// and [Pace] looks at something until it has changed, and forgives looks that
// fail in passing. Every site on OpenStack services needs all three.
package patient
