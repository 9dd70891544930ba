package containers

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Statuses of a container that this driver sets
// [ZUN:zun/container/k8s/driver.py (_sync_container)].
const (
	StatusCreating = "Creating" // scheduling, or pulling the image: for ever, if it cannot be pulled
	StatusCreated  = "Created"  // the process is about to start, or starts again after it exited
	StatusRunning  = "Running"
	StatusStopped  = "Stopped"
	StatusError    = "Error"
	StatusDeleting = "Deleting"
	// StatusDeleted is also what a new container may show when Zun's periodic
	// sync sees it before its pod exists; nothing becomes of it then.
	StatusDeleted = "Deleted"
	StatusUnknown = "Unknown"
)

type commonResult struct {
	gophercloud.Result
}

// Extract interprets any commonResult as a Container. There is no wrapper
// object around it.
func (r commonResult) Extract() (*Container, error) {
	var s Container
	if err := r.ExtractInto(&s); err != nil {
		return nil, err
	}
	if s.UUID == "" {
		return nil, gophercloud.ErrMissingResourceKey{Expected: "uuid"}
	}
	return &s, nil
}

// GetResult is the response from a Get operation. Call its Extract method to
// interpret it as a Container.
type GetResult struct {
	commonResult
}

// CreateResult is the response from a Create operation. Call its Extract
// method to interpret it as a Container.
type CreateResult struct {
	commonResult
}

// DeleteResult is the response from a Delete operation. Call its ExtractErr
// method to determine whether the request succeeded.
type DeleteResult struct {
	gophercloud.ErrResult
}

// ActionResult is the response from an operation that answers nothing. Call
// its ExtractErr method to determine whether the request succeeded.
type ActionResult struct {
	gophercloud.ErrResult
}

// Container is a container, one pod on one device.
type Container struct {
	UUID      string `json:"uuid"`
	Name      string `json:"name"`
	UserID    string `json:"user_id"`
	ProjectID string `json:"project_id"`
	Image     string `json:"image"`

	// Status is in title case; see the constants.
	Status string `json:"status"`

	// StatusReason is a sentence, of Zun's or Kubernetes': the scheduler's
	// message, the error of the image pull.
	StatusReason string `json:"status_reason"`

	// StatusDetail is Kubernetes' word: Unschedulable, ContainersNotReady,
	// ErrImagePull, ImagePullBackOff, InvalidImageName. Older servers leave
	// it empty for image pulls.
	StatusDetail string `json:"status_detail"`

	// TaskState is what is being done: container_creating, container_deleting.
	TaskState string `json:"task_state"`

	// Command is as it was asked for until the container runs, then empty:
	// do not compare it [ZUN:zun/container/k8s/driver.py (_sync_container)].
	Command []string `json:"command"`

	WorkDir     string            `json:"workdir"`
	Environment map[string]string `json:"environment"`
	Labels      map[string]string `json:"labels"`
	Ports       []int             `json:"ports"`

	// Addresses are by network id; empty until the pod has one.
	Addresses map[string][]Address `json:"addresses"`
}

// Address is where a container is on a network.
type Address struct {
	Addr    string `json:"addr"`
	Version int    `json:"version"`

	// Port is the network port, to which a floating IP is bound. A container
	// that was started again or rebooted has a new one, and a new address.
	Port string `json:"port"`
}

// ExecuteResult is the response from an Execute operation. Call its Extract
// method to interpret it as an Execution.
type ExecuteResult struct {
	gophercloud.Result
}

// Extract interprets an ExecuteResult as an Execution.
func (r ExecuteResult) Extract() (*Execution, error) {
	var s Execution
	err := r.ExtractInto(&s)
	return &s, err
}

// Execution is what became of a command.
type Execution struct {
	// Output is stdout and stderr, merged, as text: bytes that are not UTF-8
	// were replaced by U+FFFD.
	Output string `json:"output"`

	// ExitCode is nil when Zun stopped waiting; the command goes on. It is -1
	// when there is no such program.
	ExitCode *int `json:"exit_code"`
}

// ArchiveResult is the response from a GetArchive operation. Call its Extract
// method to interpret it as an Archive.
type ArchiveResult struct {
	gophercloud.Result
}

// archiveAnswer is the service's. Its data is decoded as it is read: an archive may be
// large, and is held once.
type archiveAnswer struct {
	Data []byte `json:"data"`
	Stat struct {
		Name string `json:"name"`
	} `json:"stat"`
}

// Extract interprets an ArchiveResult as an Archive.
func (r ArchiveResult) Extract() (*Archive, error) {
	var corrupt base64.CorruptInputError
	if errors.As(r.Err, &corrupt) {
		return nil, fmt.Errorf("the archive is not base64: %w", corrupt)
	}
	if r.Err != nil {
		return nil, r.Err
	}
	s, ok := r.Body.(*archiveAnswer)
	if !ok {
		return nil, fmt.Errorf("no archive, but %T", r.Body)
	}
	return &Archive{Data: s.Data, Name: s.Stat.Name}, nil
}

// Archive is a tar.
type Archive struct {
	Data []byte
	Name string // the path that was asked for, and ".tar"
}

// LogsResult is the response from a Logs operation. Call its Extract method to
// interpret it as text.
type LogsResult struct {
	gophercloud.Result
}

// Extract interprets a LogsResult as text: a JSON string, or null when there
// is no pod.
func (r LogsResult) Extract() (string, error) {
	if r.Err != nil {
		return "", r.Err
	}
	switch v := r.Body.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", gophercloud.ErrUnexpectedType{Expected: "string", Actual: fmt.Sprintf("%T", v)}
	}
}

// StatsResult is the response from a Stats operation. Call its Extract method to
// interpret it.
type StatsResult struct {
	gophercloud.Result
}

// Usage is what a container uses, as Kubernetes writes it: "1234567n", "10240Ki".
type Usage struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
}

// Extract interprets a StatsResult; nil when the container has no pod.
func (r StatsResult) Extract() (*Usage, error) {
	if r.Err != nil || r.Body == nil {
		return nil, r.Err
	}
	u := new(Usage)
	return u, r.ExtractInto(u)
}

// ContainerPage is a page of containers from a List call.
type ContainerPage struct {
	pagination.LinkedPageBase
}

// NextPageURL is the "next" of the answer, "" for the last page.
func (r ContainerPage) NextPageURL() (string, error) {
	var s struct {
		Next string `json:"next"`
	}
	err := r.ExtractInto(&s)
	return s.Next, err
}

// IsEmpty determines whether a ContainerPage contains any containers.
func (r ContainerPage) IsEmpty() (bool, error) {
	if r.StatusCode == 204 {
		return true, nil
	}
	containers, err := ExtractContainers(r)
	if err == nil && containers == nil { // an answer that is no list: not even an empty one
		err = gophercloud.ErrMissingResourceKey{Expected: "containers"}
	}
	return len(containers) == 0, err
}

// ExtractContainers takes a List result and extracts the containers.
func ExtractContainers(p pagination.Page) ([]Container, error) {
	var s struct {
		Containers []Container `json:"containers"`
	}
	err := (p.(ContainerPage)).ExtractInto(&s)
	return s.Containers, err
}
