package world

// Device is one board, or one machine of a bare-metal site. Blazar, Zun or Nova, the inventory
// and the sandbox each show a part of it.
type Device struct {
	ID          string // Blazar's row id, not the uid; made from the name when empty
	UID         string // the inventory's hardware uuid, what users type
	Name        string
	MachineName string
	Vendor      string
	Model       string
	DeviceName  string // in words
	Profiles    []string
	// Authorized lists the projects that may use the board; empty means all.
	Authorized []string
	Reservable bool
	// InBlazar is false for a board whose registration failed: the inventory shows
	// it, nobody can reserve it [EHD:hwdiscovery/v1/api.py].
	InBlazar bool
	// BootID is the kernel's own, new when the board is switched on: with the emulator.
	BootID string
	// Host is what Nova knows of a bare-metal machine, nil for a board.
	Host *Host
}

// Board is what software inside a container can see of the hardware.
type Board struct {
	Model    string // device tree model; says that it is emulated
	CPUPart  string // ARM part number as /proc/cpuinfo prints it
	CPURev   string // variant and revision digits, "4", "1"
	CPUVar   string
	Cores    int
	QEMUName string // QEMU's name of the processor
}

// Board returns the hardware description, ok=false for a machine name that this
// emulator has no description of.
func (d *Device) Board() (Board, bool) {
	switch d.MachineName {
	case "raspberrypi5":
		return Board{Model: "Raspberry Pi 5 Model B (chexp emulator)", CPUPart: "0xd0b", CPUVar: "0x4", CPURev: "1",
			Cores: 4, QEMUName: "cortex-a76"}, true
	case "raspberrypi4-64":
		return Board{Model: "Raspberry Pi 4 Model B (chexp emulator)", CPUPart: "0xd08", CPUVar: "0x0", CPURev: "3",
			Cores: 4, QEMUName: "cortex-a72"}, true
	case "jetson-nano":
		return Board{Model: "NVIDIA Jetson Nano Developer Kit (chexp emulator)", CPUPart: "0xd07", CPUVar: "0x1",
			CPURev: "1", Cores: 4, QEMUName: "cortex-a57"}, true
	}
	return Board{}, false
}

// StandardDevices are the boards of an emulator that is told nothing else. Names
// and uids of the Pi 5s are the real ones, published in the tutorial
// [SEC:index.md, table of Pi 5s]; the other boards are invented. Vendor and model of
// the Pi 5 on the real site are not known: clients must filter by machine_name, name
// or uid.
func StandardDevices() []Device {
	pi5 := []string{
		"c516acb2-4c88-42be-857f-2f9eb4139f99",
		"8334d598-d25d-4dbb-a416-d90f8e93ccc4",
		"a755b236-580e-4040-874c-80501f00f954",
		"9a7823ea-bf40-4141-b7d7-943bfb389091",
		"54a6e248-cbb2-472d-bde7-0b4ac3bd911a",
		"52341ad4-ff91-4516-a3ec-88687a8d984b",
		"7bfe3fe8-6f1e-41a4-8d9a-aa9668db8805",
	}
	var all []Device
	for i, uid := range pi5 {
		d := pi5Board("nyu-rpi5-0" + string(rune('1'+i)))
		d.UID = uid
		all = append(all, d)
	}
	add := func(d Device) {
		d.UID = FixedUUID("uid " + d.Name)
		all = append(all, d)
	}
	add(Device{Name: "iot-rpi4-01", MachineName: "raspberrypi4-64", Vendor: "Raspberry Pi", Model: "4",
		DeviceName: "Raspberry Pi 4 (using 64bit OS)", Profiles: []string{"pi_gpio"}, Reservable: true, InBlazar: true})
	add(Device{Name: "iot-jetson-01", MachineName: "jetson-nano", Vendor: "NVIDIA", Model: "Jetson Nano",
		DeviceName: "Nvidia Jetson Nano", Reservable: true, InBlazar: true})
	broken := pi5Board("iot-rpi5-broken")
	broken.Reservable = false
	add(broken)
	private := pi5Board("iot-rpi5-private")
	private.Authorized = []string{fixedHex("project theirs", 16)}
	add(private)
	unregistered := pi5Board("iot-rpi5-unregistered")
	unregistered.InBlazar = false
	add(unregistered)
	return all
}

func pi5Board(name string) Device {
	return Device{Name: name, MachineName: "raspberrypi5", Vendor: "Raspberry Pi", Model: "5",
		DeviceName: "Raspberry Pi 5", Profiles: []string{"pi_gpio"}, Reservable: true, InBlazar: true}
}

// Admits tells whether a project may reserve the board.
func (d *Device) Admits(projectID string) bool {
	for _, p := range d.Authorized {
		if p == projectID {
			return true
		}
	}
	return len(d.Authorized) == 0
}

// Network ids. Clients must look them up by name; the real ones have changed before.
var (
	PublicNetID = FixedUUID("network public")
	CaliconetID = FixedUUID("network caliconet")

	PublicSubnetID = FixedUUID("subnet public")
	CaliSubnetID   = FixedUUID("subnet caliconet")
	RouterID       = FixedUUID("router")
)
