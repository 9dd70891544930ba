package spec

import (
	"time"

	"chexp/experiments/files"
	"chexp/experiments/input"
	"chexp/experiments/judge"
	"chexp/experiments/trial"
)

// APIVersion is the only version that this program reads.
const APIVersion = "chexp/v1"

// Experiment is a valid experiment file with its defaults filled in.
type Experiment struct {
	Name        string // [a-z0-9-], at most 40: it becomes part of lease and container names
	Description string
	System      string // of a file with several, the one that this is; "": the file is of one
	Site        string
	Cloud       string // the entry of clouds.yaml that signs in there; "": what the user says
	Lease       Lease
	Container   Container
	Server      Server
	Host        Host
	Models      []ModelSource
	Runtimes    []RuntimeSource
	Providers   []trial.Provider
	Threads     []int
	Batches     []int
	Trials      TrialPolicy
	Budgets     []judge.Budget
	// PricePerHour is what an hour of the device costs, in whatever currency; 0: not said.
	PricePerHour float64
	Accuracy     *Accuracy // nil: accuracy is not measured

	Dir string // the file's directory: relative paths are relative to it
	Raw []byte // the file as read, kept with the run

	file      string              // as named to Load or Parse, for later problems
	positions map[string]position // of every key and list item, by path
	providers map[string]string   // labels of providers, to their paths in the file
}

// Lease says which device, when and how long. Exactly one of MachineName,
// Device and UID is set (where the site lends devices), or none where Name is
// that of a lease that exists.
type Lease struct {
	Name        string // "" : <experiment>-<run id>
	MachineName string
	Device      string
	UID         string
	Start       time.Time // zero: now
	Next        bool      // begin at the first time at which a device is free so long
	Duration    time.Duration

	// For a run with several devices, each measuring all trials.
	Devices int      // how many of MachineName; with AllFree at most; 0: one, or those of Boards
	AllFree bool     // as many as are free when the lease is made
	Boards  []string // names or uids, each once
}

// Count is how many devices a run has, at most.
func (l Lease) Count() int { return max(1, l.Devices, len(l.Boards)) }

// Container says what runs on the device.
type Container struct {
	Image     string
	Transport string // "zun" or "ssh"
}

// Server says what a machine is installed with.
type Server struct {
	Image string // the name of one that the site has, or its id
	// CloudInit is that the image has it, and so takes the host key that it is given. Of
	// one without, the first key that its server shows is believed.
	CloudInit bool
}

// ModelSource is one entry of models: exactly one of Builtin, Path and URL.
type ModelSource struct {
	Name    string
	Builtin string
	Path    string // absolute after loading
	URL     string
	Pin     files.Pin // required with URL, optional with Path
	// StandIn is the builtin model that a rehearsal measures where the file at URL
	// cannot be had; empty: none.
	StandIn string
	Inputs  []input.Given // what the file says of the model's inputs
	Line    int           // in the file, for later errors about this model
}

// RuntimeSource is one entry of runtimes. Without Path and Version it is one that a script
// of this repository builds, or, where it has Plugins, the agent's own.
type RuntimeSource struct {
	Name      string
	Path      string // absolute after loading: a shared library, or a bundle of chexp-pack
	Version   string // instead: of the release whose library is got
	SHA256    string // optional
	Providers []string
	Plugins   []PluginSource
	Line      int

	at string // its path in the file
}

// PluginSource is a library with an execution provider.
type PluginSource struct {
	Provider string
	Path     string // absolute after loading
	SHA256   string // optional
}

// TrialPolicy is the trials: section.
type TrialPolicy struct {
	trial.Policy
	Repetitions int
	Seed        uint64
}
