package trial

// File is a file of the bundle that the plan names by its content.
type File struct {
	What   string // in words: "model m", "runtime r, plugin p"
	Path   string // below the bundle directory
	SHA256 string
	Bytes  int64 // 0: not known
}

// Files lists the files that the plan names, each content once: models, runtimes
// with their plugins, and the pack of pictures.
func (p *Plan) Files() (list []File) {
	seen := map[string]bool{}
	add := func(what, path, sum string, bytes int64) {
		if sum != "" && !seen[path] {
			seen[path] = true
			list = append(list, File{what, path, sum, bytes})
		}
	}
	for _, m := range p.Models {
		if len(m.Parts) == 0 {
			add("model "+m.Name, m.Path(), m.SHA256, m.Bytes)
		}
		for i, part := range m.Parts {
			what := "model " + m.Name
			if i > 0 {
				what += ", its data " + part.Name
			}
			add(what, m.partPath(part), part.SHA256, part.Bytes)
		}
	}
	for _, m := range p.Models {
		for _, in := range m.Inputs {
			add("values of "+m.Name+"'s input "+in.Name, InputPath(in.Values), in.Values.SHA256, in.Values.Bytes)
		}
	}
	for _, r := range p.Runtimes {
		add("runtime "+r.Name, r.Path(), r.SHA256, r.Bytes)
		for _, x := range r.Plugins {
			add("runtime "+r.Name+", plugin "+x.Provider, x.Path(), x.SHA256, x.Bytes)
		}
	}
	if a := p.Accuracy; a != nil {
		add("the pictures of "+a.Name, a.Path(), a.SHA256, a.Bytes)
	}
	return list
}
