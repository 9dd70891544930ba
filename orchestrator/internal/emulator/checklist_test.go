package emulator

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// checklist names, for every line that the contract's section 8 marks [F] (what an emulator
// must do to be called faithful), the tests that hold it to that. The lines are shortened.
var checklist = []struct {
	line  string
	tests string
}{
	// Keystone.
	{"`GET /` 300, `GET /v3` 200 version documents", "TestKeystoneFrontDoor TestPasswordTokens " +
		"TestApplicationCredentials TestTokensEnd"},
	{"401 for bad secret, unknown/expired token", "TestApplicationCredentials TestPasswordTokens TestTokensEnd"},
	{"Catalog types exactly", "TestSecondSite TestPasswordTokens"},
	{"OIDC: discovery document", "TestSingleSignOn TestTokenEndpoint TestFederationRefuses TestTokenLife " +
		"TestOIDCEntry TestKeystoneauthSignsIn"},
	// Blazar.
	{"Routes, codes and bodies of 2.2", "TestBlazarFrontDoor TestBlazarNeighbours TestLifeOfALease TestSecondSite"},
	{"Date parsing exactly as 2.3", "TestLeaseCreationErrors TestLifeOfALease TestLeaseUpdates"},
	{"Property grammar", "TestPropertyGrammar TestLeaseCreationErrors TestNoFreeDeviceIs500"},
	{"**500 \"Not enough resources available", "TestNoFreeDeviceIs500 TestLeaseUpdates TestLeaseCreationErrors " +
		"TestRestrictedCredentialIs500 TestOrderedLeases"},
	{"PENDING on create", "TestLifeOfALease TestLeaseFaults"},
	{"Overlap rule with inclusive minutes", "TestLeasesThatMeetDoNotCollide TestBoardsAreChosenAtRandomFreshFirst " +
		"TestListsShowOtherPeople"},
	{"Lease list is project-wide", "TestListsShowOtherPeople TestEveryRecordedExchange"},
	{"Lease end or delete kills its containers", "TestLeaseEndTakesItsContainers"},
	// Zun.
	{"Microversion header rules", "TestMicroversions TestCreateChecksAtOnce TestZunNeighbours"},
	{"POST 202 + Location", "TestCreateChecksAtOnce TestReservationTroubleIsNoHTTPError TestZunQuota " +
		"TestZunNeighbours"},
	{"Asynchronous states Creating→Running", "TestWholeWay TestWorkersAndLateAddresses TestEveryRecordedExchange"},
	{"**Error (not HTTP error)**", "TestReservationTroubleIsNoHTTPError TestLeaseEndTakesItsContainers"},
	{"an image that cannot be pulled stays Creating, without a reason", "TestPullTroubleIsCreatingForEver " +
		"TestMainCommandThatExitsEndsInError " +
		"TestStopLosesFilesAndThePort"},
	{"One device, many containers", "TestManyContainersOnOneBoard TestMainCommandThatExitsEndsInError"},
	{"Execute: query parameters", "TestExecuteHasNoShell TestExecuteReportsExitCodes TestExecuteIsCutAndGoesOn"},
	{"Interactive exec handshake", "TestInteractiveExecute"},
	{"put_archive: base64 JSON", "TestPutArchive TestPutArchiveHangsOnAnUnpaddedTar"},
	{"get_archive: directory", "TestGetArchive"},
	{"Delete rules and 409s", "TestDeleteDependsOnTheState TestNamesAreNotUnique TestUnimplementedActionsAre500"},
	{"Logs as JSON string/null", "TestMainCommandThatExitsEndsInError TestStopLosesFilesAndThePort " +
		"TestUnimplementedActionsAre500"},
	{"`GET /v1/containers?name=` and paging", "TestListFiltersAndPages TestZunNeighbours"},
	// Neutron.
	{"`GET /v2.0/networks`", "TestNeutron TestNeutronNeighbours TestFloatingIPReachesSSH"},
	{"A real listener behind the FIP", "TestFloatingIPReachesSSH"},
	// Inventory.
	{"`/v1/hardware/export` without token", "TestInventory TestNoFreeDeviceIs500"},
	// Bare metal.
	{"physical:host leases", "TestBareMetalReservations TestBareMetalReservationErrors TestBareMetalDeployment " +
		"TestBareMetalNoValidHost TestNovaNeighbours TestBareMetalSSH TestSecondSite"},
}

// TestChecklist keeps the list true: every test exists, and where the contract is at hand, every
// [F] line of it is in the list and the other way round.
func TestChecklist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				have[fn.Name.Name] = true
			}
		}
	}
	for _, e := range checklist {
		for _, name := range strings.Fields(e.tests) {
			if !have[name] {
				t.Errorf("%s: there is no %s", e.line, name)
			}
		}
	}
}

func TestManyContainersOnOneBoard(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	addresses := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		body := containerBody(reservation)
		body["name"] = name
		uuid := c.create(body)
		c.output(uuid, "touch /root/"+name)
		if got := c.output(uuid, "ls /root"); got != name+"\n" {
			t.Errorf("%s sees %q", name, got)
		}
		for _, a := range object(c.zun("GET", "/containers/"+uuid, nil).at("addresses")) {
			addresses[dig(a, 0, "addr").(string)] = true
		}
	}
	if len(addresses) != 2 {
		t.Errorf("two containers have the addresses %v", addresses)
	}
}
