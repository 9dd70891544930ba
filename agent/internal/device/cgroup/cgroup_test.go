package cgroup

import (
	"strings"
	"testing"

	"chexp/agent/internal/device/devicetest"
)

const (
	v2Mount  = "30 29 0:26 %ROOT% /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	own      = "sys/fs/cgroup/"
	notRoot  = "cgroup.type"
	ctlr     = "cgroup.controllers"
	v1Mounts = "32 31 0:29 %ROOT% /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n33 31 0:30 %ROOT% " +
		"/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)

func v2(root, group string, files map[string]string) devicetest.Tree {
	return devicetest.Tree{}.Set(map[string]string{
		"proc/self/cgroup": "0::" + group + "\n", "proc/self/mountinfo": strings.ReplaceAll(v2Mount, "%ROOT%", root),
	}).Set(files)
}

func v1(root, group string, files map[string]string) devicetest.Tree {
	return devicetest.Tree{}.Set(map[string]string{
		"proc/self/cgroup":    "5:memory:" + group + "\n3:cpu,cpuacct:" + group + "\n1:name=systemd:/\n",
		"proc/self/mountinfo": strings.ReplaceAll(v1Mounts, "%ROOT%", root),
	}).Set(files)
}

func TestLimits(t *testing.T) {
	const cpu, memory = "sys/fs/cgroup/cpu,cpuacct/", "sys/fs/cgroup/memory/"
	for _, tc := range []struct {
		name   string
		tree   devicetest.Tree
		quota  float64
		limit  int64
		reason string // of the quota, where it is unavailable
	}{
		{"Pi 5 with a namespace", devicetest.Pi5(), 3.5, 2 << 30, ""},
		{"VM, limit on the parent", devicetest.VM(), 1, 0, ""},
		{"v2 host, root group", v2("/", "/", map[string]string{own + ctlr: "cpu memory\n"}), 0, 0, ""},
		{"v2 host, slice above limits", v2("/", "/a/b", map[string]string{
			own + ctlr: "cpu\n", own + "a/" + notRoot: "domain\n", own + "a/cpu.max": "20000 100000\n",
			own + "a/memory.max":   "1048576\n",
			own + "a/b/" + notRoot: "domain\n", own + "a/b/cpu.max": "max 100000\n", own + "a/b/memory.max": "max\n",
		}), 0.2, 1 << 20, ""},
		{"v2 container without a namespace", v2("/kubepods/pod1/c1", "/kubepods/pod1/c1", map[string]string{
			own + ctlr: "cpu\n", own + notRoot: "domain\n", own + "cpu.max": "150000 100000\n",
			own + "memory.max": "4096\n",
		}), 1.5, 4096, ""},
		{"v2 container without a namespace, subgroup", v2("/k/c1", "/k/c1/sub", map[string]string{
			own + ctlr: "cpu\n", own + notRoot: "domain\n", own + "cpu.max": "150000 100000\n",
			own + "memory.max":  "max\n",
			own + "sub/cpu.max": "50000 100000\n", own + "sub/memory.max": "8192\n",
		}), 0.5, 8192, ""},
		{"v2, moved out of the namespace", v2("/", "/../other", map[string]string{
			own + ctlr: "cpu\n", own + notRoot: "domain\n", own + "cpu.max": "max 100000\n",
			own + "memory.max": "max\n",
		}), 0, 0, ""},
		{"v1 container without a namespace", v1("/docker/c1", "/docker/c1", map[string]string{
			cpu + "cpu.cfs_quota_us": "200000\n", cpu + "cpu.cfs_period_us": "100000\n",
			memory + "memory.limit_in_bytes": "1073741824\n",
		}), 2, 1 << 30, ""},
		{"v1, path of the host not mounted", v1("/", "/docker/c1", map[string]string{
			cpu + "cpu.cfs_quota_us": "-1\n", cpu + "cpu.cfs_period_us": "100000\n",
			memory + "memory.limit_in_bytes": "9223372036854771712\n",
		}), 0, 0, ""},
		{"v2, controller not enabled", v2("/", "/", map[string]string{own + ctlr: "\n", own + notRoot: "domain\n"}), 0,
			0, "cpu.max"},
		{"nothing", devicetest.Nothing(), 0, 0, "/proc/self/cgroup"},
		{"nothing mounted", devicetest.Tree{}.Set(map[string]string{"proc/self/cgroup": "0::/\n",
			"proc/self/mountinfo": "1 2 0:1 / / rw - ext4 /dev/sda rw\n"}), 0, 0, "no cgroup file system"},
		{"garbage", v2("/", "/", map[string]string{own + ctlr: "cpu\n", own + notRoot: "d\n", own + "cpu.max": "-5 0\n",
			own + "memory.max": "lots\n"}), 0, 0, "allows"},
		{"zero period", v2("/", "/", map[string]string{own + ctlr: "cpu\n", own + notRoot: "d\n",
			own + "cpu.max": "100 0\n", own + "memory.max": "0\n"}), 0, 0, "allows"},
		{"a group that climbs", v2("/", "/a/../../../../etc",
			map[string]string{own + ctlr: "cpu\n", own + notRoot: "d\n", own + "cpu.max": "max 1\n",
				own + "memory.max": "max\n"}), 0, 0, ""},
	} {
		quota, limit := Quota(tc.tree.FS()), MemoryLimit(tc.tree.FS())
		if tc.reason != "" {
			if quota.Value != nil || !strings.Contains(quota.Unavailable, tc.reason) || limit.Value != nil ||
				limit.Unavailable == "" {
				t.Errorf("%s: quota %v %q, limit %v %q", tc.name, quota.Value, quota.Unavailable, limit.Value,
					limit.Unavailable)
			}
			continue
		}
		if q, ok := quota.Get(); !ok || q != tc.quota {
			t.Errorf("%s: quota %v %q, want %v", tc.name, q, quota.Unavailable, tc.quota)
		}
		if l, ok := limit.Get(); !ok || l != tc.limit {
			t.Errorf("%s: limit %v %q, want %v", tc.name, l, limit.Unavailable, tc.limit)
		}
	}
}

func TestThrottled(t *testing.T) {
	for _, tc := range []struct {
		name string
		tree devicetest.Tree
		want int64
	}{
		{"v2, µs", devicetest.Pi5(), 250_000},
		{"v1, ns, the parent's quota", devicetest.VM(), 5_000_000},
		{"v2 root", v2("/", "/", map[string]string{own + ctlr: "cpu\n", own + "cpu.stat": "usage_usec 5\n"}), 0},
	} {
		p, err := Find(tc.tree.FS(), "cpu")
		if err != nil {
			t.Fatal(tc.name, err)
		}
		if got, err := p.ThrottledNS(tc.tree.FS()); err != nil || got != tc.want {
			t.Errorf("%s: %d %v, want %d", tc.name, got, err, tc.want)
		}
	}
	huge := devicetest.Pi5().Set(map[string]string{"sys/fs/cgroup/cpu.stat": "throttled_usec 4611686018427387903\n"})
	p, err := Find(huge.FS(), "cpu")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.ThrottledNS(huge.FS()); err == nil {
		t.Errorf("a counter that overflows gives %d", got)
	}
}
