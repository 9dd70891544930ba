// Command chexp-trial runs exactly one trial: it reads a session.Request on
// standard input, loads the model with ONNX Runtime, measures, and writes one
// trial.Result to the given file descriptor. It is a process of its own because
// the code that it calls may crash, hang or eat all memory, and because arenas and
// thread pools of one trial must not be there in the next. It is started by
// chexp-agent, through the C library that the agent carries; nobody calls it by
// hand.
package main
