package emulator

import (
	"slices"
	"strings"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/internal/emulator/zun"
)

// What had to be true before some of the recordings of many boards: the recorder had fifty, and
// took from the free ones by chance.

const (
	ownContainer  = "2866f809-4f5d-4682-8371-bdf04546724f"
	lostContainer = "c256bce6-0494-4247-beb0-61687a2ac615"
	threeByUID    = "d879d29e-58db-46b1-b351-1081fa6efb45"
)

// fleetBoards gives one of the recorder's boards a counterpart.
func (p *replay) fleetBoards() {
	i := slices.IndexFunc(p.e.world.Devices, func(d *world.Device) bool { return d.Name == "iot-rpi4-01" })
	p.ids["a0358059-4045-5007-9e7d-e4d58c63880a"] = p.e.world.Devices[i].UID
}

// occupy books a board off the record, under a name for giveBack.
func (p *replay) occupy(as, device, from, to string) {
	body := p.leaseBody(as, `["==", "$name", "`+device+`"]`)
	body["start_date"], body["end_date"] = p.moved(from), p.moved(to)
	p.ids[as] = p.want(201, p.blazar("POST", "/leases", body)).text("lease", "id")
}

// giveBack deletes leases, by their names or recorded ids.
func (p *replay) giveBack(which ...string) {
	for _, one := range which {
		p.want(200, p.blazar("DELETE", "/leases/"+p.ids[one], nil))
	}
}

// sparesTheFirst keeps the first board from a lease, so that it is free for another use.
func (p *replay) sparesTheFirst() {
	p.giveBack("89a1909a-15f8-47b0-b948-c0472b0012ce")
	p.occupy("spare", "nyu-rpi5-01", "2026-11-30 12:20", "2026-11-30 16:00")
}

var usedBoards = []string{"used 4", "used 5", "full 1", "full 2", "full 3", "full 6", "full 7"}

// usedBefore gives two boards a booking at another time, so that a reservation by name, which
// takes boards without any first, leaves them.
func (p *replay) usedBefore() {
	p.occupy("used 4", "nyu-rpi5-04", "2026-12-01 10:00", "2026-12-01 11:00")
	p.occupy("used 5", "nyu-rpi5-05", "2026-12-01 10:00", "2026-12-01 11:00")
}

// onlyThoseTwo leaves two boards free, so that a reservation by name takes one that is asked for
// by uid afterwards.
func (p *replay) onlyThoseTwo() {
	p.giveBack("f6a44bbb-01e7-4a1a-a102-a4d6332d0428")
	for _, n := range []string{"1", "2", "3", "6", "7"} {
		p.occupy("full "+n, "nyu-rpi5-0"+n, "2026-11-30 15:41", "2026-11-30 16:11")
	}
}

// threeByUID makes a lease that is seen only when it was extended.
func (p *replay) threeByUID() {
	p.fault(blazar.LeaksFreed, 1)
	recorded := p.answerOf("35b-extend-over-it-pending-by-uid")
	body := p.leaseBody("three-uid", "")
	body["start_date"], body["end_date"] = p.moved("2026-11-30 13:22"), p.moved("2026-11-30 14:22")
	var reservations []any
	for _, r := range list(dig(recorded, "lease", "reservations")) {
		reservations = append(reservations, map[string]any{"resource_type": "device", "min": 1, "max": 1,
			"resource_properties": dig(r, "resource_properties")})
	}
	body["reservations"] = reservations
	p.names.note(recorded, any(p.want(201, p.blazar("POST", "/leases", body)).body))
}

// answerOf is what was recorded.
func (p *replay) answerOf(name string) (body any) {
	for _, r := range p.all[p.folder] {
		if r.name == name {
			body = r.body()
		}
	}
	return body
}

// fleetContainers makes those that the list shows when the service is wedged.
func (p *replay) fleetContainers() {
	for _, c := range list(p.zun("GET", "/containers", nil).at("containers")) {
		uuid := dig(c, "uuid").(string)
		p.zun("DELETE", "/containers/"+uuid+"?force=true", nil)
		p.poll("a container to be gone", func() bool { return p.zun("GET", "/containers/"+uuid, nil).status == 404 })
	}
	p.settled()
	_, reservation := p.activeLease()
	p.ids["c2a75ef0-9a96-40c4-a1d9-29b6c4c650ff"] = reservation
	for _, c := range list(dig(p.answerOf("52g-stuck-list"), "containers")) {
		on := map[any]string{"a-cont": p.ids["e9e37428-e161-4abd-ac86-1c3b970afa6e"],
			"dev-0": reservation, "dev-1": reservation, "dev-2": reservation}[dig(c, "name")]
		image := strings.Replace(dig(c, "image").(string), "debian-amd64:1", "debian:12", 1)
		if on != "" {
			p.ids[dig(c, "uuid").(string)] = p.bareContainer(dig(c, "name"), image, on)
		}
	}
}

// bareContainer is one that exposes no port and has no environment.
func (p *replay) bareContainer(name, image any, reservation string) string {
	return p.create(map[string]any{"name": name, "image": image, "command": []string{"sleep", "100000"},
		"hints": map[string]any{"reservation": reservation}})
}

// threeRunning makes the lease that is deleted with its containers. The state right after it is
// kept for the recordings that follow.
func (p *replay) threeRunning() {
	p.withdraw(Faults{zun.Wedged: -1})
	lease, reservation := p.activeLease()
	p.ids["1a039f50-7200-441f-88fd-76f04423b196"] = lease
	for n, name := range []string{"del-0", "del-1", "del-2"} {
		uuid := p.bareContainer(name, "docker.io/library/busybox:1", reservation)
		if n == 0 {
			p.ids["b7db4207-f118-42a7-87f6-0d47c240e9f9"] = uuid
		}
	}
	// The recorder's Kubernetes gave this one the address of another that was gone.
	const address = "10.42.0.70"
	delete(p.names.recorded, p.names.live[address])
	delete(p.names.live, address)
	p.watcher.start()
}

// doubleNow makes two leases of one board at once, and waits for both.
func (p *replay) doubleNow() {
	p.noLeases()
	p.fault(blazar.DoubleBooking, 1)
	for _, l := range list(dig(p.answerOf("42-double-both-active-list"), "leases")) {
		if dig(l, "name") == "fleet-10" {
			continue // of ten boards
		}
		body := p.leaseBody(dig(l, "name").(string), dig(l, "reservations", 0, "resource_properties").(string))
		body["end_date"] = p.moved("2026-11-30 13:05")
		p.names.note(l, p.want(201, p.blazar("POST", "/leases", body)).at("lease"))
	}
}
