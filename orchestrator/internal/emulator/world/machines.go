package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Host is a machine that is reserved whole and gets an operating system by Nova and Ironic.
type Host struct {
	CPUs, MemoryMB, DiskGB int
	// Capabilities are Blazar's extra capabilities besides uid, node_name and node_type, as the
	// operators write them from the reference API; values are text.
	Capabilities map[string]string
}

// sites are the bare-metal sites that can be emulated. Node types and their accelerators are those
// that the tutorials use [SMC:README.md, 0_intro.ipynb]; the other numbers are of such machines.
var sites = map[string][]nodeType{
	"CHI@UC": {
		{name: "compute_gigaio", cpu: "AMD EPYC 7763 64-Core Processor", gpu: "A100 80GB", count: 2, cpus: 256,
			memory: 524288, disk: 960},
		{name: "compute_skylake", cpu: "Intel(R) Xeon(R) Gold 6126 CPU @ 2.60GHz", count: 3, cpus: 48, memory: 196608,
			disk: 240},
	},
	"CHI@TACC": {
		{name: "compute_liqid", cpu: "AMD EPYC 7763 64-Core Processor", gpu: "A100 40GB", count: 2, cpus: 256,
			memory: 524288, disk: 960},
		{name: "gpu_mi100", cpu: "AMD EPYC 7763 64-Core Processor", gpu: "MI100", count: 2, cpus: 256, memory: 262144,
			disk: 480},
	},
}

type nodeType struct {
	name, cpu, gpu            string
	count, cpus, memory, disk int
}

// BareMetalSites names them, sorted.
func BareMetalSites() []string { return slices.Sorted(maps.Keys(sites)) }

// Machines are the nodes of a bare-metal site; nil for one that is not known. Blazar's id of a
// host is its row number as text, and Nova knows the machine by its uid.
func Machines(region string) []Device {
	var all []Device
	for _, t := range sites[region] {
		for i := range t.count {
			name := fmt.Sprintf("%s-%02d", strings.ReplaceAll(t.name, "_", "-"), i+1)
			caps := map[string]string{"architecture.platform_type": "x86_64", "architecture.smp_size": "2",
				"architecture.smt_size": fmt.Sprint(t.cpus), "main_memory.ram_size": fmt.Sprint(int64(t.memory) << 20),
				"processor.model": t.cpu, "gpu.gpu": "False", "gpu.gpu_count": "0", "su_factor": "1.0"}
			if t.gpu != "" {
				caps["gpu.gpu"], caps["gpu.gpu_count"], caps["gpu.gpu_model"] = "True", "1", t.gpu
			}
			all = append(all, Device{ID: fmt.Sprint(len(all) + 1), UID: FixedUUID("node " + region + " " + name),
				Name: name, MachineName: t.name,
				Reservable: true, InBlazar: true, Host: &Host{CPUs: t.cpus, MemoryMB: t.memory, DiskGB: t.disk,
					Capabilities: caps}})
		}
	}
	if len(all) > 0 {
		all[len(all)-1].Reservable = false // one is being repaired
	}
	return all
}

// Sharednet1ID and its subnet are the network that bare-metal servers are attached to.
var (
	Sharednet1ID     = FixedUUID("network sharednet1")
	Sharednet1Subnet = FixedUUID("subnet sharednet1")
)

// Port is a Neutron port, made by Zun for a container or by Nova for a server.
type Port struct {
	ID, Name, ProjectID    string
	DeviceID, DeviceOwner  string
	Address, Created, Type string // Type is binding:vnic_type
	Status                 string
	TCP                    []int // reachable through a floating IP
}
