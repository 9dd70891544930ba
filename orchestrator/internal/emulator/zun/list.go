package zun

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// maxPage is the server's own limit of one page [ZUN:zun/conf/api.py max_limit].
const maxPage = 1000

// listing is what a call of the list asks for.
type listing struct {
	all     bool // every project's
	limit   int
	marker  string // the last container of the page before
	dir     string
	filters map[string]string
	unknown []string // parameters, sorted
}

func (c call) readListing() (l listing, p *problem) {
	q := c.query
	if l.all, p = allProjects(q.Get("all_projects")); p != nil {
		return l, p
	}
	if l.all && !c.caller.Admin() {
		return l, &problem{403, "policy-not-authorized", "Policy doesn't allow container:get_all_all_projects to be " +
			"performed."}
	}
	l.limit = maxPage
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n <= 0 {
			return l, &problem{400, "invalid-value", "Limit must be positive integer"}
		}
		l.limit = min(n, maxPage)
	}
	l.marker, l.dir = q.Get("marker"), q.Get("sort_dir")
	if q.Has("sort_dir") && l.dir != "asc" && l.dir != "desc" {
		return l, &problem{400, "invalid-value", "Invalid sort direction: " + l.dir +
			". Acceptable values are 'asc' or 'desc'"}
	}
	l.filters = map[string]string{}
	for k := range q {
		switch k {
		case "name", "image", "project_id", "user_id", "memory", "task_state", "status", "auto_remove", "host":
			l.filters[k] = q.Get(k)
		case "limit", "all_projects", "marker", "sort_key", "sort_dir", "resource_url", "expand":
		default:
			l.unknown = append(l.unknown, k)
		}
	}
	slices.Sort(l.unknown)
	return l, nil
}

func (s containerCalls) list(c call, _ string) {
	l, p := c.readListing()
	if p != nil {
		c.fail(p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.marker != "" && !slices.ContainsFunc(s.rows, func(r *container) bool { return r.uuid == l.marker }) {
		c.fail(&problem{404, "container-not-found", "Container " + l.marker + " could not be found."})
		return
	}
	if l.unknown != nil {
		c.fail(&problem{400, "invalid-value", "Unknown parameters: " + strings.Join(l.unknown, ", ")})
		return
	}
	rows := slices.Clone(s.rows)
	if p := sortRows(rows, c.query.Get("sort_key"), l.dir); p != nil {
		c.fail(p)
		return
	}
	views := []any{}
	passed := l.marker == ""
	last := ""
	for _, row := range rows {
		if row.projectID != c.caller.ProjectID && !l.all || !row.matches(l.filters) {
			continue
		}
		if !passed {
			passed = row.uuid == l.marker
			continue
		}
		if len(views) == l.limit {
			break
		}
		views, last = append(views, s.viewFor(c, row, false)), row.uuid
	}
	// A page that is full promises another, even where there is none.
	var next any
	if len(views) == l.limit {
		next = s.URL + "/v1/containers?sort_key=" + c.queryOr("sort_key", "id") + "&sort_dir=" +
			c.queryOr("sort_dir", "asc") +
			"&limit=" + strconv.Itoa(l.limit) + "&marker=" + last
	}
	c.ok(200, map[string]any{"containers": views, "next": next})
}

func (c call) queryOr(key, otherwise string) string {
	if c.query.Has(key) {
		return c.query.Get(key)
	}
	return otherwise
}

// allProjects reads the flag as oslo's strict parser does.
func allProjects(text string) (bool, *problem) {
	switch strings.ToLower(text) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "", "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return false, &problem{400, "invalid-value", "Valid all_projects values are: 1, t, true, on, y, yes, 0, f, false, " +
		"off, n, no"}
}

// sortRows sorts by a column; the database refuses one that it has not.
func sortRows(rows []*container, key, dir string) *problem {
	column := map[string]func(*container) string{
		"uuid": func(c *container) string { return c.uuid }, "name": func(c *container) string { return c.name },
		"image":      func(c *container) string { return c.req.Image },
		"status":     func(c *container) string { return c.status },
		"memory":     func(c *container) string { return c.req.Memory },
		"project_id": func(c *container) string { return c.projectID },
		"user_id":    func(c *container) string { return c.userID },
		"task_state": func(c *container) string { return c.taskState },
		"host":       func(*container) string { return "" }, "created_at": func(*container) string { return "" },
		"":   func(*container) string { return "" },
		"id": func(*container) string { return "" },
	}[key]
	if column == nil {
		return &problem{400, "invalid-parameter-value", "The sort_key value \"" + key + "\" is invalid for sorting"}
	}
	slices.SortStableFunc(rows, func(a, b *container) int { return cmp.Compare(column(a), column(b)) })
	if dir == "desc" {
		slices.Reverse(rows)
	}
	return nil
}

func (c *container) matches(filters map[string]string) bool {
	have := map[string]string{"name": c.name, "image": c.req.Image, "project_id": c.projectID, "user_id": c.userID,
		"memory": c.req.Memory, "task_state": c.taskState, "status": c.status, "host": c.host()}
	for k, want := range filters {
		if v, ok := have[k]; ok && v != want {
			return false
		}
	}
	return true
}
