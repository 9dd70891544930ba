package emulator

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// What Chameleon's forks of Blazar and Zun do when somebody uses many boards at once
// (transcripts/fleet): each test names one behaviour.

// boardBody asks for one board by name from now for two hours.
func (c *client) boardBody(name string) map[string]any {
	return c.leaseBody("on "+name, `["==", "$name", "`+name+`"]`)
}

func (c *client) lease(body map[string]any) (lease, reservation string) {
	c.t.Helper()
	a := c.want(201, c.blazar("POST", "/leases", body))
	return a.text("lease", "id"), a.text("lease", "reservations", 0, "id")
}

func (c *client) begins(lease string) {
	c.t.Helper()
	c.poll("the lease to be active", func() bool {
		return c.blazar("GET", "/leases/"+lease, nil).at("lease", "status") == "ACTIVE"
	})
}

// bookings are the leases that the calendar shows for a board.
func (c *client) bookings(device string) (leases []string) {
	c.t.Helper()
	i := slices.IndexFunc(c.e.world.Devices, func(d *world.Device) bool { return d.Name == device })
	for _, row := range c.want(200, c.blazar("GET", "/devices/allocations", nil)).at("allocations").([]any) {
		if dig(row, "resource_id") == c.e.world.Devices[i].ID {
			for _, r := range dig(row, "reservations").([]any) {
				leases = append(leases, dig(r, "lease_id").(string))
			}
		}
	}
	return leases
}

// bootID reads which board a container is on: the kernel's own id.
func (c *client) bootID(uuid string) string {
	c.t.Helper()
	return strings.TrimSpace(c.output(uuid, "cat /proc/sys/kernel/random/boot_id"))
}

func TestBootIDTellsBoardsApart(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	var ids []string
	for _, board := range []string{"nyu-rpi5-01", "nyu-rpi5-02"} {
		lease, reservation := c.lease(c.boardBody(board))
		c.begins(lease)
		for range 2 {
			ids = append(ids, c.bootID(c.create(containerBody(reservation))))
		}
	}
	if len(ids[0]) != 36 || ids[0] != ids[1] || ids[2] != ids[3] || ids[0] == ids[2] {
		t.Errorf("boot ids of two containers on one board, then of two on another: %v", ids)
	}
}

func TestOneReservationOfThreeGetsAnyOfItsBoards(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	body := c.leaseBody("three", anyPi5)
	one := body["reservations"].([]any)[0].(map[string]any)
	one["min"], one["max"] = 3, 3
	lease, reservation := c.lease(body)
	c.begins(lease)
	boards := func(n int) int {
		seen := map[string]bool{}
		for range n {
			uuid := c.create(containerBody(reservation))
			seen[c.bootID(uuid)] = true
			c.want(204, c.zun("DELETE", "/containers/"+uuid+"?force=true", nil))
			c.poll("it to be gone", func() bool { return c.zun("GET", "/containers/"+uuid, nil).status == 404 })
		}
		return len(seen)
	}
	if n := boards(12); n < 2 { // all on one by chance: 3 in 531,441
		t.Errorf("12 containers, one after the other, were on %d board of 3", n)
	}
	c.order("zun.scheduler=pack")
	if n := boards(3); n != 1 {
		t.Errorf("zun.scheduler=pack: 3 containers were on %d boards", n)
	}
	c.e.SetFaults(Faults{world.Word("zun.scheduler", "pack"): 0})
	c.order("zun.scheduler=spread")
	seen := map[string]int{}
	for range 4 {
		seen[c.bootID(c.create(containerBody(reservation)))]++
	}
	if len(seen) != 3 {
		t.Errorf("zun.scheduler=spread: four containers by boot id: %v", seen)
	}
}

func TestCreationThatFailsLeaksBoards(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	body := c.leaseBody("eight", anyPi5)
	body["start_date"], body["end_date"] = c.minute(2*time.Hour), c.minute(3*time.Hour)
	one := body["reservations"].([]any)[0]
	body["reservations"] = []any{one, one, one, one, one, one, one, one}
	if a := c.blazar("POST", "/leases", body); a.status != 500 ||
		a.at("error_message") != "Not enough hosts available" {
		t.Fatalf("eight reservations by machine_name of seven boards: %v", a)
	}
	for n := range 7 {
		if got := c.bookings(fmt.Sprintf("nyu-rpi5-0%d", n+1)); got != nil {
			t.Errorf("the calendar shows the leak: %v", got)
		}
	}
	if got := list(c.blazar("GET", "/leases", nil).at("leases")); len(got) != 1 { // Bob's
		t.Errorf("the lease was not rolled back: %v", got)
	}
	body["reservations"] = []any{one}
	if a := c.blazar("POST", "/leases", body); a.status != 500 ||
		!strings.HasPrefix(a.text("error_message"), "Not enough resources available with query") {
		t.Errorf("one board in the leak's time: %v", a)
	}
	late := c.leaseBody("late", anyPi5)
	late["start_date"], late["end_date"] = c.minute(3*time.Hour), c.minute(4*time.Hour)
	c.lease(late)
	c.order("blazar.leaks=freed")
	c.lease(body)
}

func TestCreationRefusedAtTheFirstLookLeaksNothing(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.lease(c.boardBody("nyu-rpi5-02"))
	body := c.boardBody("nyu-rpi5-01")
	body["reservations"] = append(body["reservations"].([]any), c.boardBody("nyu-rpi5-02")["reservations"].([]any)...)
	c.want(500, c.blazar("POST", "/leases", body))
	c.lease(c.boardBody("nyu-rpi5-01"))
}

func TestTwoCreationsAtOnceBookOneBoardTwice(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.order("blazar.race=double")
	first, _ := c.lease(c.boardBody("nyu-rpi5-01"))
	second, _ := c.lease(c.boardBody("nyu-rpi5-01"))
	if got := c.bookings("nyu-rpi5-01"); !slices.Equal(got, []string{first, second}) {
		t.Errorf("the calendar shows %v", got)
	}
	for _, id := range []string{first, second} {
		c.begins(id)
		if a := c.blazar("GET", "/leases/"+id, nil); a.at("lease", "degraded") != false {
			t.Errorf("a double booking is flagged: %v", a)
		}
	}
	if a := c.blazar("POST", "/leases", c.boardBody("nyu-rpi5-01")); a.status != 500 {
		t.Errorf("one order made three bookings: %v", a)
	}
}

func TestRivalBooksTheSameBoard(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.order("blazar.rival=same")
	mine, _ := c.lease(c.boardBody("nyu-rpi5-01"))
	if got := c.bookings("nyu-rpi5-01"); len(got) != 2 || got[0] != mine {
		t.Errorf("blazar.rival=same: the calendar shows %v", got)
	}
	c.order("blazar.rival=after")
	mine, _ = c.lease(c.boardBody("nyu-rpi5-02"))
	got := c.bookings("nyu-rpi5-02")
	if len(got) != 2 || got[0] != mine {
		t.Fatalf("blazar.rival=after: the calendar shows %v", got)
	}
	next := c.as(world.Carol).blazar("GET", "/leases/"+got[1], nil)
	if end := c.blazar("GET", "/leases/"+mine, nil); next.at("lease", "start_date") != end.at("lease", "end_date") {
		t.Errorf("the next lease is %v, mine %v", next, end)
	}
}

// TestExtensionOverAnotherBooking goes through what was recorded of leases A and B.
func TestExtensionOverAnotherBooking(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	carol := c.as(world.Carol)
	a, mine := c.lease(c.boardBody("nyu-rpi5-01"))
	later := c.boardBody("nyu-rpi5-01")
	later["start_date"], later["end_date"] = c.minute(2*time.Hour), c.minute(5*time.Hour)
	b, theirs := carol.lease(later)
	c.begins(a)
	box := c.create(containerBody(mine))
	c.want(200, c.blazar("PUT", "/leases/"+a, map[string]any{"end_date": c.minute(3 * time.Hour)}))

	c.e.Advance(2*time.Hour + time.Minute)
	c.signIn(world.Alice)
	carol.signIn(world.Carol)
	carol.begins(b)
	other := carol.create(containerBody(theirs))
	if c.bootID(box) != carol.bootID(other) {
		t.Error("two projects' containers are not on one board")
	}
	if c.blazar("GET", "/leases/"+a, nil).at("lease", "status") != "ACTIVE" {
		t.Error("lease A is not ACTIVE while B is")
	}
	unschedulable := func(c *client, reservation string) {
		c.t.Helper()
		uuid := c.want(202, c.zun("POST", "/containers?run=true", containerBody(reservation))).text("uuid")
		if got := c.await(uuid, "Error"); got.at("status_detail") != "Unschedulable" {
			t.Errorf("%v", got)
		}
	}
	unschedulable(c, mine)

	c.e.Advance(time.Hour)
	c.poll("lease A to end", func() bool {
		return c.blazar("GET", "/leases/"+a, nil).at("lease", "status") == "TERMINATED"
	})
	if got := carol.blazar("GET", "/leases/"+b, nil).at("lease", "status"); got != "ACTIVE" {
		t.Errorf("lease B is %v", got)
	}
	carol.bootID(other) // runs on
	unschedulable(carol, theirs)
}

// A lease that is deleted before it begins takes the label off the board that somebody else has now
// [BLZ:blazar/manager/service.py delete_lease, plugins/devices/k8s_plugin.py deallocate].
func TestLaterLeaseGivenBackTakesTheLabelOfTheOneNow(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	now, reservation := c.lease(c.boardBody("nyu-rpi5-01"))
	c.begins(now)
	box := c.create(containerBody(reservation))
	body := c.boardBody("nyu-rpi5-01")
	body["start_date"], body["end_date"] = c.minute(4*time.Hour), c.minute(5*time.Hour)
	later, _ := c.lease(body)
	c.want(200, c.blazar("DELETE", "/leases/"+later, nil))
	uuid := c.want(202, c.zun("POST", "/containers?run=true", containerBody(reservation))).text("uuid")
	if got := c.await(uuid, "Error"); got.at("status_detail") != "Unschedulable" {
		t.Errorf("%v", got)
	}
	c.bootID(box)
}

const correlation = "Your request could not be handled because of a problem in the server. Error Correlation id is: "

func (c *client) broken(what string, a answer) {
	c.t.Helper()
	if a.status != 500 || !strings.HasPrefix(a.text("errors", 0, "detail"), correlation) {
		c.t.Errorf("%s: %v", what, a)
	}
}

func TestOneCollisionIsOneFailure(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	c.order("zun.stream=collide")
	c.broken("execute", c.execute(box, "true"))
	c.output(box, "true")
	c.order("zun.stream=collide")
	c.broken("logs", c.zun("GET", "/containers/"+box+"/logs", nil))
	c.want(200, c.zun("GET", "/containers/"+box+"/logs", nil))
}

// wedgedService checks what a wedged compute service answers for a container that runs.
func wedgedService(c *client, box, lease, reservation string) {
	c.t.Helper()
	path := "/containers/" + box
	c.broken("execute", c.execute(box, "true"))
	c.broken("put", put(c, box, "/root", makeTar(c.t, "a", "x", true)))
	for _, read := range []string{"/get_archive?path=/root", "/logs", "/attach"} {
		c.broken(read, c.zun("GET", path+read, nil))
	}
	c.want(200, c.zun("GET", path+"/stats", nil))
	if a := c.want(200, c.zun("GET", "/containers", nil)); len(list(a.at("containers"))) == 0 {
		c.t.Errorf("the list is %v", a)
	}
	lost := c.want(202, c.zun("POST", "/containers?run=true", containerBody(reservation))).text("uuid")
	c.want(204, c.zun("DELETE", path+"?stop=true", nil))
	c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
	c.poll("the deleted one to be Deleting", func() bool {
		return c.zun("GET", path, nil).at("status") == "Deleting"
	})
	c.e.Advance(time.Hour) // heals nothing
	for range 20 {
		if a := c.zun("GET", path, nil); a.at("status") != "Deleting" {
			c.t.Fatalf("a deleted container of a wedged service: %v", a)
		}
		if a := c.zun("GET", "/containers/"+lost, nil); a.at("status") != "Creating" || a.at("task_state") != nil {
			c.t.Fatalf("a new container of a wedged service: %v", a)
		}
	}
	c.order("zun.compute=restart")
	c.poll("the deleted one to be gone", func() bool { return c.zun("GET", path, nil).status == 404 })
	c.poll("the lost one to be Deleted", func() bool {
		return c.zun("GET", "/containers/"+lost, nil).at("status") == "Deleted"
	})
}

func TestWedgedComputeServiceFailsForEverybody(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	lease, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	c.order("zun.compute=wedged")
	wedgedService(c, box, lease, reservation)
	_, reservation = c.activeLease()
	c.output(c.create(containerBody(reservation)), "true")
}

// meet lets n calls begin together.
func meet(n int, call func()) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for range n {
		all.Go(func() {
			<-start
			call()
		})
	}
	close(start)
	all.Wait()
}

func TestOverlappingHandshakesWedgeTheComputeService(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	lease, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	c.order("zun.handshake=slow-2s")
	c.output(box, "true") // alone it works
	meet(8, func() { c.execute(box, "true") })
	c.e.SetFaults(Faults{grammarFault(t, "zun.handshake=slow-2s"): 0})
	wedgedService(c, box, lease, reservation)
}

func TestCallInAHandshakeFailsOnce(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	c.order("zun.handshake=slow-3s")
	long := make(chan answer)
	go func() { long <- c.execute(box, "true") }()
	c.poll("the handshake", func() bool { return c.zun("GET", "/containers/"+box+"/logs", nil).status == 500 })
	c.broken("execute in another's handshake", c.execute(box, "true"))
	if a := <-long; a.status != 200 {
		t.Errorf("the one that came first: %v", a)
	}
	c.output(box, "true") // not wedged
}

func TestCreationInAHandshakeVanishes(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	vanishes := func() {
		t.Helper()
		uuid := c.want(202, c.zun("POST", "/containers?run=true", containerBody(reservation))).text("uuid")
		c.poll("the container to be Deleted", func() bool {
			a := c.zun("GET", "/containers/"+uuid, nil)
			if s := a.at("status"); s != "Creating" && s != "Deleted" || a.at("task_state") != nil {
				t.Fatalf("a container that met a handshake: %v", a)
			}
			return a.at("status") == "Deleted"
		})
	}
	c.order("zun.claim=lost")
	vanishes()
	c.create(containerBody(reservation))
	c.order("zun.handshake=slow-3s")
	done := make(chan answer)
	go func() { done <- c.execute(box, "true") }()
	c.poll("the handshake", func() bool { return c.zun("GET", "/containers/"+box+"/logs", nil).status == 500 })
	vanishes()
	if a := <-done; a.status != 200 {
		t.Errorf("the execute: %v", a)
	}
	c.create(containerBody(reservation))
}

func TestStoppedAtOnceWhenTheLeaseEnds(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{Tick: 2 * time.Second})
	lease, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
	if a := c.execute(box, "true"); a.status != 409 ||
		!strings.HasSuffix(a.text("errors", 0, "detail"), "in Stopped state") {
		t.Errorf("execute: %v", a)
	}
	if a := c.want(200, c.zun("GET", "/containers/"+box+"/logs", nil)); a.raw != "null" {
		t.Errorf("logs: %v", a)
	}
	c.await(box, "Deleted")
	c.poll("it to be gone", func() bool { return c.zun("GET", "/containers/"+box, nil).status == 404 })
}

func grammarFault(t *testing.T, text string) world.Fault {
	t.Helper()
	f, _, err := grammar.ParseOne(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
