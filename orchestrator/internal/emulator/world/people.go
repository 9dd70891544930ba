package world

// Project is a Keystone project; Chameleon names them by charge code.
type Project struct {
	ID, Name, Description string
}

// User is a Keystone user with a role on one project.
type User struct {
	ID, Name string
	Project  Project
	Roles    []string
	Admin    bool
	Password string // random for each emulator
}

// The people of every emulator. Alice is "us": the clouds.yaml is hers. Bob works in
// the same project, so his leases are in her lists. Carol is somebody else. Root is
// the operator. Dana may only read in our project, which does not keep her from making
// leases: Blazar's policy asks for no more than the project.
const (
	Alice = "alice@example.org"
	Bob   = "bob@example.org"
	Carol = "carol@example.org"
	Root  = "root@example.org"
	Dana  = "dana@example.org"
)

func people() []*User {
	ours := Project{ID: fixedHex("project ours", 16), Name: "CHI-000001", Description: "Serving ML on edge"}
	theirs := Project{ID: fixedHex("project theirs", 16), Name: "CHI-000002", Description: "Someone else's project"}
	admin := Project{ID: fixedHex("project admin", 16), Name: "admin", Description: "Operators"}
	member := []string{"reader", "member"}
	users := []*User{
		{Name: Alice, Project: ours, Roles: member},
		{Name: Bob, Project: ours, Roles: member},
		{Name: Carol, Project: theirs, Roles: member},
		{Name: Dana, Project: ours, Roles: []string{"reader"}},
		{Name: Root, Project: admin, Roles: []string{"admin"}, Admin: true},
	}
	for _, u := range users {
		// Federated users have 64 hex digits, not 32 [EDOC:getting-started/README.md].
		u.ID = fixedHex("user "+u.Name, 32)
		u.Password = NewHex(12)
	}
	return users
}

// User returns the user of that name; it exists.
func (w *World) User(name string) *User {
	for _, u := range w.Users {
		if u.Name == name {
			return u
		}
	}
	panic("emulator: no user " + name)
}

// UserByID returns the user, nil if there is none.
func (w *World) UserByID(id string) *User {
	for _, u := range w.Users {
		if u.ID == id {
			return u
		}
	}
	return nil
}
