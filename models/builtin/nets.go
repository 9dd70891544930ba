package builtin

import (
	"fmt"

	"chexp/models/onnxfile"
)

// mobileNetV2 is MobileNetV2 1.0 for 224×224 pictures (Sandler et al. 2018,
// table 2) with 11 classes: 52 convolutions, 35 ReLU6, 10 additions. It has
// the tutorial's model's topology and size.
func mobileNetV2() *onnxfile.Model {
	n := newNet("mobilenetv2-11", 3, 224, 224)
	n.conv("stem", 32, 3, 2, 1, true)
	block := 0
	for _, stage := range []struct{ expand, channels, repeat, stride int64 }{
		{1, 16, 1, 1},
		{6, 24, 2, 2},
		{6, 32, 3, 2},
		{6, 64, 4, 2},
		{6, 96, 3, 1},
		{6, 160, 3, 2},
		{6, 320, 1, 1},
	} {
		stride := stage.stride // of the first block of a stage only
		for range stage.repeat {
			block++
			n.bottleneck(fmt.Sprintf("block%d", block), stage.expand, stage.channels, stride)
			stride = 1
		}
	}
	n.conv("last", 1280, 1, 1, 1, true)
	n.head()
	return n.model("MobileNetV2 1.0, 3x224x224 to 11 classes.")
}

// bottleneck is an inverted residual: widen, filter each channel, narrow
// without activation, and add the input where shapes allow.
func (n *net) bottleneck(name string, expand, out, stride int64) {
	input, channels := n.value, n.channels
	if expand != 1 {
		n.conv(name+".expand", channels*expand, 1, 1, 1, true)
	}
	n.conv(name+".depthwise", n.channels, 3, stride, n.channels, true)
	n.conv(name+".project", out, 1, 1, 1, false)
	if stride == 1 && channels == out {
		n.node("Add", name+".add", []string{input, n.value})
	}
}

// tinyCNN is small enough for a rehearsal on emulated hardware.
func tinyCNN() *onnxfile.Model {
	n := newNet("tiny-cnn", 3, 32, 32)
	n.conv("conv1", 16, 3, 1, 1, true)
	n.conv("conv2", 32, 3, 2, 1, true)
	n.conv("conv3", 64, 3, 2, 1, true)
	n.head()
	return n.model("Three convolutions, 3x32x32 to 11 classes.")
}
