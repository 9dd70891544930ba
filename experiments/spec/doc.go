// Package spec is the experiment file: its types, strict loading with every
// problem and its line, defaults, validation, and the expansion into the plan
// that the agent carries out. It reads the YAML and nothing else: models are
// resolved by package models, clouds by the orchestrator.
//
//	e, err := spec.Load("experiments/quickstart.yaml") // err: Problems
//	plan, err := spec.Expand(e, resolved, runID, runtimes)  // *trial.Plan
//
// The format, with what is allowed and what holds when a key is left out:
//
//	key                   allowed                                           default
//	apiVersion            chexp/v1                                          required
//	name                  a-z 0-9 and inner hyphens, at most 40             required
//	description           text                                              empty
//	site                  CHI@Edge, CHI@UC, CHI@TACC, local, ssh            required
//	cloud                 the entry of clouds.yaml that signs in at the     --os-cloud, OS_CLOUD
//	                      site; it overrules the variables
//	host                  only with ssh: user@machine, or machine; its      required there
//	                      name or address, as ssh takes it                  (user: yours here)
//	port                  only with ssh: of its SSH server                  22
//	key                   only with ssh: a private key's file, / or ~/ in   those of ssh-agent, and
//	                      front; one with a passphrase needs ssh-agent      id_ed25519, id_ecdsa and
//	                                                                        id_rsa of ~/.ssh
//	lease                 only with CHI@Edge, CHI@UC and CHI@TACC           required there
//	lease.machine_name    a kind of device, such as raspberrypi5; at        one of these
//	                      CHI@UC and CHI@TACC lease.node_type, such as      three is
//	                      compute_liqid                                     required
//	lease.device          one device's name, such as nyu-rpi5-01
//	lease.uid             a device's uid
//	lease.name            that of a lease of yours, which is used if it     experiment and run id
//	                      exists (then the device may be left out), else
//	                      of a new one: letters, digits . _ -, at most 128
//	lease.start           now, next, or date and time with a zone           now
//	lease.duration        1m to 7d                                          2h, with CHI@UC and
//	                                                                        CHI@TACC 3h
//	container             only with CHI@Edge
//	container.image       an image reference                                debian:bookworm-slim
//	container.transport   zun, ssh (needs an image with an SSH server)      zun
//	server                only with CHI@UC and CHI@TACC
//	server.image          the name of an image that the site has, or its    CC-Ubuntu24.04
//	                      id
//	server.cloud_init     false of an image without it: then the first      true
//	                      host key that the server shows is believed
//	systems               1 to 8: measured side by side, each at a site     none
//	                      of its own, with one answer over all
//	systems[].name        as the experiment's                               required
//	systems[].KEY         a key of the file from site to key, runtimes,     the file's
//	                      providers, threads, batches, trials, budgets or
//	                      price_per_hour
//	system                written by chexp: of a file with several, the     none
//	                      system that a run's copy is of
//	price_per_hour        what an hour of the device costs, above 0         none
//	models                1 to 100                                          required
//	models[].name         a-z 0-9 - _, at most 64, each once                required
//	models[].builtin      a name of models/catalog                          one of these
//	models[].path         a .onnx file, relative to the experiment file;    three is
//	                      files with its values lie beside it
//	models[].url          https; http from this machine itself only         required
//	models[].sha256       64 hexadecimal digits                             one of these two
//	models[].swhid        swh:1:cnt: and 40 hexadecimal digits              is required with url
//	models[].stand_in     a builtin, measured by a rehearsal where the      none
//	                      file at url cannot be had
//	models[].inputs       an .npz, or for each input its sizes, a           what the model's
//	                      constant, a file, or {sizes, batch_axis, values}  file says
//	runtimes              name, or the keys below; at most 8                none
//	runtimes[].name       a-z 0-9 . - _, at most 24, each once, not stock     required
//	runtimes[].path       a libonnxruntime.so, or a bundle of chexp-pack;   one that this
//	                      relative to the experiment file                   repository builds
//	runtimes[].version    a release of ONNX Runtime, such as 1.30.0         instead of path
//	runtimes[].sha256     64 hexadecimal digits                             not checked
//	runtimes[].providers  those that no symbol of the library shows         none
//	runtimes[].plugins    {provider, path, sha256}: libraries with execution
//	                      providers; without path, of the agent's runtime   none
//	providers             name, or {name, runtime, optional, options}       [cpu]
//	providers[].runtime   a name of runtimes, or stock                      stock
//	threads               1 to 256, each once                               [1]
//	batches               1 to 4096, each once                              [1]
//	trials.warmup         0 to 100000 untimed inferences; from 10 on, as    10
//	                      many more as it takes to see no slow start
//	trials.min_runs       1 to 1000000 timed inferences                     100
//	trials.min_time       0s to 1h of timed work                            5s
//	trials.max_time       not below min_time; 0s is no limit but timeout    60s
//	trials.timeout        above max_time, to 24h; kills the trial           120s
//	trials.block          10ms to 1h of timed work, then it is the next     500ms
//	                      trial's turn; 0s measures each in one piece
//	trials.precision      0.1% to 50%: more blocks until every median's     none
//	                      95 % interval is within ± that, or max_time
//	trials.cool_down      0s to 1h: longest wait, before a block, for the   0s
//	                      temperature at which the run began
//	trials.repetitions    1 to 1000 fresh processes for each combination    1
//	trials.seed           0 to 2^53-1: input values and order of trials     1
//	accuracy.data         plates, or a folder or archive of pictures        no accuracy
//	accuracy.labels       a file of all class names, one a line, in the     the folders: by number if
//	                      order of the outputs                              all are numbers, else by
//	accuracy.classes      the same as a list in this file                   name
//	accuracy.pictures     1 to 100000                                       500 drawn ones, or all
//	accuracy.reference    a model's name                                    the first model
//	accuracy.timeout      1s to 24h for one model on one provider           10m
//	accuracy.preprocess   {resize, crop, mean, std, layout, exif}, not for  256, 224, ImageNet's,
//	                      plates; exif: true turns pictures upright         NCHW, false
//	budgets               "metric op number unit"                           none
//
// A swhid is the name that Git gives a file's content, as ISO/IEC 18670 writes it,
// so that a file of a Git repository can be pinned of which nobody published a sum.
// It is a SHA-1 over the file and its length, computed with the collision detection
// that Git uses: nobody can make another file for it, and of two files that one
// person made for one name, known ways of doing so are refused. Where a sha256 is to
// be had, prefer it; every result records the SHA-256 of what was measured. A
// stand-in is never taken for a file that is another one than pinned.
//
// An input's sizes are a list of numbers and at most one word batch, or a group of
// the model's own names for open sizes with a number each, which hold for all
// inputs; batch_axis is an axis counted from 0, or none; values are random, normal,
// {random: [low, high]}, one constant or a list of them, {text: WORDS}, a .npy, .npz
// or .txt file, or {file: x.npz, array: NAME}. Package input has the rules where
// the file says nothing.
//
// There is no key for MLPerf's scenario: batch 1 is SingleStream, one input after
// the other, judged by its latency; a larger batch is Offline, whose inputs are
// all there before, judged by its throughput (inputs by the time of the
// inferences; filling them in is not timed). Budgets follow: where a model on a
// provider is measured in both, batch 1 answers for p50 to p99 and first_inference,
// larger batches answer for throughput, and an option meets both if its batch 1 meets
// the one and one of its larger batches the other. Where only one of them is
// measured, it answers for all.
//
// Why half a second: a block of the Pi 5's 8 to 60 ms for a MobileNetV2 then
// holds 8 to 60 inferences, enough for a median of its own; the default min_time
// of 5 s makes ten blocks, enough for the interval of a ratio paired by block; and a
// change of heat or clock, which takes seconds, meets all trials alike.
//
// Durations are numbers with units: d, h, m, s, ms, as in 1h30m. Budgets
// compare (<, <=, >, >=) size, peak_memory (B, kB, MB = 10^6, GB, KiB, MiB =
// 2^20, GiB), p50, p90, p95, p99, session_create, first_inference (ns, us, ms,
// s), throughput (/s, inputs per second) or accuracy (%, top-1).
//
// A runtime is an ONNX Runtime build: stock is the one that the agent carries;
// debian is Debian's, with XNNPACK and oneDNN (make runtime-debian); openvino is the one
// with Intel's OpenVINO, for x86-64 (make runtime-openvino); a version is the
// release's own library, got from npm's onnxruntime-node and held against a lock file
// (orchestrator/internal/runtimes/onnxruntime.lock). A provider
// is measured beside the cpu of its own runtime, which is added where the file
// does not name it: compared with the CPU code of another build, a difference
// would be the builds'. One provider may appear once for each runtime.
//
// Options of a provider are passed to it word for word, but for those that
// begin with session. or mlas. (ONNX Runtime's session configuration) and
// chexp.free_dimensions, which is fixed (symbolic dimensions of the inputs get
// their size when the session is created) or free; fixed where the provider
// wants it ([chexp/experiments/provider.All] says which do), else free.
//
// An unknown or repeated key is an error, and so are YAML's aliases, anchors,
// tags and further documents: none of them says anything here that plain
// text does not say better, and each has hidden mistakes in other programs.
package spec
