package trial

// Manifest is what chexp-pack writes beside an agent or a runtime bundle, at the
// same path with ".json" after it, so that a program can choose one without
// opening it.
type Manifest struct {
	Version string  `json:"version"`
	OS      string  `json:"os"`
	Arch    string  `json:"arch"` // Go's name: arm64, amd64
	SHA256  string  `json:"sha256"`
	Bytes   int64   `json:"bytes"`
	Payload string  `json:"payload"` // identity of what is unpacked on the device
	Runtime Runtime `json:"runtime"`
	// Libraries and Interfaces are what a shared library finds that is run with
	// the carried ones: their names, and the newest version of each of their
	// interfaces, such as GLIBC 2.36. Manifests before they were added have none.
	Libraries  []string          `json:"libraries,omitempty"`
	Interfaces map[string]string `json:"interfaces,omitempty"`
}
