// Command chexp-train makes the weights of chexp's built-in model: it trains
// MobileNetV2 on drawn pictures (package models/plates) by running training
// steps (package models/train) in the ONNX Runtime that the agent carries,
// measures the accuracy on held-out pictures, and writes weights and record.
// It is for whoever maintains chexp; models/builtin/MODEL.md has the command.
package main
