// Command chexp-trial runs exactly one trial: it reads a session.Request on
// standard input, loads the model with ONNX Runtime, says on the given file
// descriptor when it is warm, and then answers each session.Turn that it reads
// with a block of timed inferences. It is a process of its own because the code
// that it calls may crash, hang or eat all memory, and because arenas and thread
// pools of one trial must not be there in the next. It is started by
// chexp-agent, through the C library that the agent carries; nobody calls it by
// hand.
package main
