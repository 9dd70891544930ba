// Package ort is ONNX Runtime for this program: the only package with cgo. It
// loads the library through github.com/yalue/onnxruntime_go and adds what that
// module (v1.27.0, C API 24) does not offer, by a small C shim over the same
// library (shim.h): the list of execution providers, the build info, the inputs
// and outputs of a session that is already open (the module opens a second one
// for that, which would double the peak memory), outputs whose shape only an
// inference tells, providers that are reachable only through an exported symbol
// (ACL, oneDNN) or that are libraries of their own (Plug), and sizes for symbolic
// dimensions.
//
// What is set on a session (threads, spinning, options, dimensions) is decided in
// one place, settings.go, and handed out with the session, so that a result can
// say it.
//
// Memory: a session keeps bare pointers to its tensors, and a tensor over Go
// memory dies with the next collection although the session is still open and
// Run still returns nil. So every tensor here lies in C memory that the Session
// frees when it is closed, and is held in the Session.
//
// Without cgo this package is empty.
package ort
