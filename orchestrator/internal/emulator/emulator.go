// Package emulator is a CHI@Edge on loopback: Keystone, Blazar, Zun, Neutron and the
// inventory, with seven Raspberry Pi 5s; and, when asked for, bare-metal sites beside it, each with
// a Keystone of its own, Blazar, Nova, Glance and Neutron. A client sees another cloud: the same
// catalog, calls, states, error texts and quirks as the real site's services, recorded
// from their code; containers have real file systems and processes, arm64 ones where this
// machine has QEMU.
//
// It shares no code with the client on purpose: a client and an emulator made of the same
// structs agree with each other and not with Chameleon.
//
// What it cannot prove: how long a real image pull takes, what the devices' network
// carries, production's own execute limit and upload ceiling, temperature and clock
// behaviour of a Pi, performance of anything.
package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/glance"
	"chexp/orchestrator/internal/emulator/inventory"
	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/nova"
	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/internal/emulator/zun"
)

// Faults says what is to go wrong, and how often; a negative number means for ever.
// [ParseFaults] makes them of what people write.
type Faults = world.Faults

// grammar is what can be ordered of this cloud.
var grammar = world.NewGrammar(front.Network, keystone.API.Vocabulary(), blazar.API.Vocabulary(), zun.API.Vocabulary(),
	neutron.API.Vocabulary(), nova.API.Vocabulary(), glance.API.Vocabulary())

// FaultGrammar describes in one line what [ParseFaults] takes.
func FaultGrammar() string { return grammar.String() }

// ParseFaults reads orders as a command line gives them: "zun.create=500x2", "blazar.lease: ERROR",
// "blazar.create=lost", "execute=cut-5s", "network=cut-after-1MiB", "token=expires-in-30s". The
// error names every order that is wrong.
func ParseFaults(texts []string) (Faults, error) { return grammar.Parse(texts) }

// Options say how to run an emulator. The zero value works, without containers.
type Options struct {
	Dir    string // for clouds.yaml and the containers' files, one emulator's alone; "": a temporary one
	Images string // holds debian-<arch>.tar; "": every image pull fails
	Arch   string // "arm64", "amd64"; "": arm64 when possible, else this machine's
	Listen string // host:port of Keystone, loopback only; "": 127.0.0.1 and any port. The others get any port.

	Region string   // of CHI@Edge; "": CHI@Edge
	Sites  []string // bare-metal sites to emulate beside it: CHI@UC, CHI@TACC

	// How long things take; zero is the real site's (pull: 2 s; deploying a server: 10 min).
	Tick, PullDelay, ExecuteTimeout, GatewayTimeout, TokenLife, Deploy time.Duration

	Clock time.Duration // how far the cloud's clock is ahead of this machine's; negative: behind

	Faults  Faults
	Devices []world.Device // nil: world.StandardDevices
	// Containers is a project's quota of them; 0: Zun's own, 40.
	Containers int
	Log        *slog.Logger // nil: silent

	seen func(context.Context) // of a test; see world.Pace
}

// NoContainers says why no emulator on this machine can have containers; "" where
// one can.
const NoContainers = sandbox.Unavailable

// Emulator is a running cloud.
type Emulator struct {
	world    *world.World
	host     *sandbox.Host // nil without containers
	keystone *keystone.Service
	blazar   *blazar.Service
	zun      *zun.Service
	neutron  *neutron.Service
	sites    []*bareMetal

	dir       string
	temporary bool
	servers   []*http.Server
	cancel    context.CancelFunc
	note      string
	closing   sync.Once
	closeErr  error
}

// Start starts a cloud; ctx bounds the start only, Close ends the cloud.
func Start(ctx context.Context, o Options) (*Emulator, error) {
	w := world.New(world.Pace{Tick: o.Tick, PullDelay: o.PullDelay, ExecuteTimeout: o.ExecuteTimeout,
		GatewayTimeout: o.GatewayTimeout, TokenLife: o.TokenLife, Deploy: o.Deploy, Seen: o.seen}, o.Devices, o.Log)
	if o.Region != "" {
		w.Region = o.Region
	}
	w.Orders.Set(o.Faults)
	w.Advance(o.Clock)
	e := &Emulator{world: w, dir: o.Dir}
	err := e.addSites(o.Sites)
	if err == nil {
		err = e.start(ctx, o)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (e *Emulator) start(ctx context.Context, o Options) error {
	if err := e.prepareDir(); err != nil {
		return err
	}
	switch {
	case o.Images == "":
		e.note = "no containers: the emulator was given no images"
	case sandbox.Unavailable != "":
		e.note = "no containers: " + sandbox.Unavailable
	default:
		host, err := sandbox.NewHost(filepath.Join(e.dir, "sandbox"), o.Images, o.Arch, e.world.Log)
		if err != nil {
			return err
		}
		e.host, e.note = host, host.Note()
		if limits := host.Limits(); limits != "" {
			e.world.Log.Warn("emulator: " + limits)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.serve(o); err != nil {
		return err
	}
	return e.writeCredentials()
}

// TempPattern matches the temporary directories of emulators. One that was killed
// leaves its own.
const TempPattern = "chexp-emulator-*"

func (e *Emulator) prepareDir() error {
	if e.dir == "" {
		dir, err := os.MkdirTemp("", TempPattern)
		if err != nil {
			return err
		}
		e.dir, e.temporary = dir, true
	}
	dir, err := filepath.Abs(e.dir)
	if err != nil {
		return err
	}
	e.dir = dir
	return os.MkdirAll(dir, 0o755)
}

// serve starts the five services and Zun's websocket proxy, each on a port of its own as on
// the real site.
func (e *Emulator) serve(o Options) error {
	listen := o.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("emulator: listen address %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("emulator: %s is not a loopback address; the emulator lets anybody who reaches it run "+
			"commands on this machine", host)
	}
	any := net.JoinHostPort(host, "0")
	listeners, urls, err := listenOn(listen, any, any, any, any, any)
	if err != nil {
		return err
	}
	w := e.world
	e.keystone, e.blazar, e.zun, e.neutron = keystone.New(w), blazar.New(w), zun.New(w), neutron.New(w)
	e.keystone.URL, e.blazar.URL, e.zun.URL, e.neutron.URL = urls[0], urls[1], urls[2], urls[3]
	e.zun.MaxContainers = cmp.Or(o.Containers, e.zun.MaxContainers)
	e.zun.ProxyURL = "ws" + strings.TrimPrefix(urls[5], "http")
	e.blazar.Containers, e.zun.Reservations = e.zun, e.blazar
	e.zun.Host, e.zun.Network, e.neutron.Pods = e.host, e.neutron, e.zun
	e.keystone.Endpoints = []keystone.Endpoint{
		{Type: "identity", Name: "keystone", URL: urls[0] + "/v3"},
		{Type: "reservation", Name: "blazar", URL: urls[1] + "/v1"},
		{Type: "container", Name: "zun", URL: urls[2] + "/v1/"},
		{Type: "network", Name: "neutron", URL: urls[3]},
		{Type: "inventory", Name: "doni", URL: urls[4]},
	}
	e.blazar.Seed(w.User(world.Bob), "bobs-camera", "iot-jetson-01")
	containers := zun.API
	containers.Board = e.zun.Board
	gate := func() *front.Gate {
		return &front.Gate{Keystone: urls[0], Tokens: e.keystone, Now: w.Now}
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go e.blazar.Run(ctx)
	for i, h := range []http.Handler{
		e.withControl(front.Service(e.keystone.Handler(), w, keystone.API)),
		front.Service(e.blazar.Handler(gate()), w, blazar.API),
		front.Service(e.zun.Handler(gate()), w, containers),
		front.Service(e.neutron.Handler(gate()), w, neutron.API),
		front.Service(inventory.Handler(w, gate()), w, front.API{}),
		e.zun.Proxy(),
	} {
		e.answer(listeners[i], h)
	}
	for _, site := range e.sites {
		if err := e.serveSite(ctx, site, any); err != nil {
			return err
		}
	}
	return nil
}

// listenOn opens all addresses or none.
func listenOn(addresses ...string) (listeners []net.Listener, urls []string, err error) {
	for _, addr := range addresses {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, nil, fmt.Errorf("emulator: %w", err)
		}
		listeners = append(listeners, l)
		urls = append(urls, "http://"+l.Addr().String())
	}
	return listeners, urls, nil
}

func (e *Emulator) answer(l net.Listener, h http.Handler) {
	// The Date of an answer is the cloud's, too.
	dated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", e.world.Now().Format(http.TimeFormat))
		e.world.Log.Debug("request", "method", r.Method, "path", r.URL.Path)
		h.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: dated, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(e.world.Log.Handler(), slog.LevelDebug)}
	e.servers = append(e.servers, srv)
	go func() { _ = srv.Serve(l) }() // ends when Close does
}

// Cloud is the name of the clouds.yaml entry to use.
func (e *Emulator) Cloud() string { return cloudName }

// CloudsFile is the path of the clouds.yaml that was written, readable by its owner only.
func (e *Emulator) CloudsFile() string { return filepath.Join(e.dir, "clouds.yaml") }

// OpenRC is the path of a shell file with the same application credential.
func (e *Emulator) OpenRC() string { return filepath.Join(e.dir, "openrc.sh") }

// AuthURL is Keystone's.
func (e *Emulator) AuthURL() string { return e.keystone.URL + "/v3" }

// Arch is the architecture of the boards, "" when there are no containers.
func (e *Emulator) Arch() string {
	if e.host == nil {
		return ""
	}
	return e.host.Arch()
}

// ArchNote says why Arch is not arm64; "" when it is.
func (e *Emulator) ArchNote() string { return e.note }

// Limits says what does not work because this process is not root; "" for root.
func (e *Emulator) Limits() string {
	if e.host == nil {
		return ""
	}
	return e.host.Limits()
}

// Advance moves the cloud's clock forward.
func (e *Emulator) Advance(d time.Duration) { e.world.Advance(d) }

// SetFaults orders faults while the cloud runs; 0 withdraws one.
func (e *Emulator) SetFaults(f Faults) { e.world.Orders.Set(f) }

// Close ends the cloud: every container dies, their files and the credentials are
// removed. More calls change nothing.
func (e *Emulator) Close() error {
	e.closing.Do(func() { e.closeErr = e.close() })
	return e.closeErr
}

func (e *Emulator) close() error {
	var errs []error
	if e.cancel != nil {
		e.cancel()
	}
	for _, s := range e.servers {
		errs = append(errs, s.Close())
	}
	if e.neutron != nil {
		e.neutron.Close()
		e.zun.Close()
	}
	for _, site := range e.sites {
		site.close()
	}
	if e.host != nil {
		errs = append(errs, e.host.Close())
	}
	if e.dir == "" {
		return errors.Join(errs...)
	}
	if e.temporary {
		return errors.Join(append(errs, os.RemoveAll(e.dir))...)
	}
	for _, name := range append(e.credentialFiles(), "sandbox") {
		errs = append(errs, os.RemoveAll(filepath.Join(e.dir, name)))
	}
	return errors.Join(errs...)
}
