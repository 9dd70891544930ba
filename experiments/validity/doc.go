// Package validity asks of one trial's result whether its latencies can be
// believed, and answers with named checks: the value found, the limit, and what
// to do about it. It is pure: result in, checks out, for the agent, the report
// and anybody who reads a result file.
//
//	sample, err := stats.SampleOf(result)
//	checks := validity.Checks(result, sample)
//	stats.Worst(checks) // VALID, SUSPECT or INVALID
//
// A signal that could not be read makes its check UNAVAILABLE, with the reason;
// that makes no trial better or worse. Only one thing has to be shown and not
// just not refuted: that the provider that was asked for ran the model. Where
// nothing shows it, the trial is SUSPECT; where it ran no node, the latencies
// are the CPU provider's, and nothing may print them as another's (Ran).
//
// Of the things that make a trial SUSPECT, a size above a fifth makes it
// INVALID: a number that may be off by that much decides nothing.
//
//	check            SUSPECT above            INVALID above           where the limit comes from
//	provider         half of the time on      no node on the one      ONNX Runtime gives the CPU provider what another
//	                 other providers, or      asked for               does not take, and says nothing
//	                 nothing measured it
//	physics          the memory bound, for    100 % of the roof       multiply-adds of the model × batch, over cores ×
//	                 weights above 64 MiB                             clock × multiply-adds a cycle; smaller weights may
//	                                                                  stay in a cache, out of reach of the memory probe
//	emulation        any sign, or a float     -                       37 to 93 additions were measured under QEMU, whose
//	                 operation takes 20                               latencies are no device's; processors take 3 to 8
//	                 additions                                        Not measured, or 12 to 20: UNAVAILABLE
//	completeness     any interrupted trial    fewer than 3 blocks, or three blocks' medians are the least that have a
//	                                          6 inferences            scatter; only interrupted trials have this check
//	times            -                        ends before it      only such results have this check; where the blocks
//	                                          starts; outside its have an order of their own, a clock that was set back
//	                                          attempt (Period)    is no fault
//	sample size      median known to ±5 %     fewer than 6            package stats; six values carry an interval
//	CPU quota        1 % of the time stopped  20 %                    cgroup's throttled time
//	steal            1 % of the cores         20 %                    a hypervisor that is not crowded takes less
//	outside load     5 % of the cores         trial lacks a fifth of  ONNX Runtime with two threads on two cores takes
//	                                          its cores               two to four times as long beside a busy neighbour
//	throttling       any block                                        the firmware's or the kernel's word, or a hot board
//	                                                                  whose clock fell
//	heat             80 °C on a Raspberry Pi  -                       its firmware lowers the clock from 80 °C on
//	                 90 °C elsewhere                                  [Raspberry Pi documentation, frequency-management]
//	clock            10 % of the time more    -                       perf_analyzer tolerates 10 % between windows; 5 %
//	                 than 5 % below the top                           is what chexp calls a difference that matters
//	governor         may change the clock,    -                       where the clock stayed, it does not matter
//	                 and it changed
//	swap             256 pages                -                       1 MiB of 4 KiB pages: more than a waking daemon
//	CPU pressure     10 % of the time         -                       the kernel's PSI, "some": a thread had to wait
//	block start      median 1 % higher by     20 %                    a fifth of the difference that matters; the first
//	                 what has not settled                             inferences run on another trial's caches
//	warm-up, drift, stationarity, bimodality, outliers: package stats
//	harness overhead 1 % of the median        20 %                    a fifth of the smallest difference that matters
//
// Clock, load and the like are taken over all blocks of the trial, weighted by
// how long each took, so that a disturbance of one block in twenty has the
// weight that it has in the median.
package validity
