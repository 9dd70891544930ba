// Package seal tells whether a run's directory is still what chexp left there.
//
// Whenever a chexp has worked in a run's directory, it writes the SHA-256 of every
// file into the next of seals/1, seals/2, …: the experiment, the plan with the sums
// of models and pictures, what was measured with the sum of the agent that measured
// it, the journal and the reports. Each seal holds the sum of the one before it, so
// the last one stands for all. It is a list for `sha256sum -c`, with comments on top:
//
//	# chexp seal 2 of run 20261130t192242z-quickstart-zogn
//	# time 2026-11-30T19:22:49Z
//	# before 5ad1…                  of seals/1; "none" in the first
//	# grows 1234 journal.jsonl      so many bytes of it; more may follow
//	0b12…  experiment.yaml
//	…
//
// seals/2.sig is its signature by an SSH key, as `ssh-keygen -Y sign -n file` makes
// it: who has the key of the signer checks both without chexp.
//
// A seal is no proof against somebody who writes a new one: a signature is.
package seal
