//go:build cgo

package ort

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/provider"
)

// aclPlugin registers chexp's ACL plugin (agent/acl) the first time. nil without
// an error says that the runtime carries none.
func (l *Library) aclPlugin() (*plugin, error) {
	if l.acl != nil {
		return l.acl, nil
	}
	file := provider.Named(provider.ACL).Plugin
	path := filepath.Join(filepath.Dir(l.path), file)
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	p, err := l.register(provider.ACL, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	l.acl = &p
	return l.acl, nil
}

// appendACL makes the session try the plugin first. It computes on the session's
// own threads, so it needs to know only how many there are.
func (l *Library) appendACL(opts *onnx.SessionOptions, threads int, options map[string]string) error {
	plugin, err := l.aclPlugin()
	if err == nil && plugin == nil {
		return l.appendProvider(opts, provider.ACL, options) // which says what there is instead
	}
	if err != nil {
		return reason.Errorf(reason.ProviderAbsent, "chexp's ACL plugin cannot be used here").
			Advise("agent/acl/README.md says what it needs; or mark the provider optional").Because(err)
	}
	for _, k := range slices.Sorted(maps.Keys(options)) {
		if k != "claim_light" && k != "explain" {
			return reason.Errorf(reason.OptionInvalid,
				"provider acl has no option %q; it has: claim_light, explain", k)
		}
		if v := options[k]; v != "0" && v != "1" {
			return reason.Errorf(reason.OptionInvalid, "provider acl: option %s is 0 or 1, not %q", k, v)
		}
	}
	if err := opts.AddSessionConfigEntry(recordAssignment, "1"); err != nil {
		return reason.Errorf(reason.RuntimeFailed, "a session option was refused").Because(err)
	}
	all := map[string]string{"threads": strconv.Itoa(threads)}
	maps.Copy(all, options)
	if err := l.appendPlugin(opts, *plugin, all); err != nil {
		return reason.Errorf(reason.OptionInvalid, "chexp's ACL plugin refused its options").Because(err)
	}
	return nil
}
