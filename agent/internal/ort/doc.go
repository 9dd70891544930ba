// Package ort is ONNX Runtime for this program: the only package with cgo. It
// loads the library through github.com/yalue/onnxruntime_go and adds what that
// module (v1.27.0, C API 24) does not offer, by a small C shim over the same
// library:
//
//   - library.go, shim.h: the execution providers that the runtime lists, and its
//     build info
//   - options.go: providers that only an exported function appends (ACL, oneDNN),
//     and sizes for symbolic dimensions
//   - plugin.go, plugin.h, acl.go: providers that are libraries of their own, and
//     which provider took which node
//   - session.go, port.go: a model that is loaded once (the module opens a second
//     session to learn of inputs and outputs, which doubles the peak memory), with
//     its inputs and outputs bound, and timed on the side of C
//   - infer.go: a model that runs on given inputs and is not timed
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
