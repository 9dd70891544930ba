//go:build linux

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// errNotRoot: entering another network namespace takes root.
var errNotRoot = errors.New("reaching into a container's network needs root")

// inNetwork runs f on a thread inside the container's network namespace. The thread
// cannot be trusted with anything else afterwards, so it ends.
func (c *Container) inNetwork(f func() error) error {
	if !c.host.root {
		return errNotRoot
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: Go then ends the thread with the goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", c.pid))
		if err != nil {
			result <- err
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("entering the container's network: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}

// Dial connects to a TCP port of the container at its own address, as a packet through
// a floating IP would: a server that listens on 127.0.0.1 only is not reached.
func (c *Container) Dial(ctx context.Context, port int) (net.Conn, error) {
	select {
	case <-c.done:
		return nil, errors.New("the container has ended")
	default:
	}
	host := c.spec.Address
	if host == "" {
		host = "127.0.0.1"
	}
	var conn net.Conn
	err := c.inNetwork(func() error {
		var d net.Dialer
		var err error
		// An address of digits needs no resolver, so the socket is made on this thread.
		conn, err = d.DialContext(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
		return err
	})
	return conn, err
}

// address gives the loopback interface the container's address, there being no other
// interface.
func (c *Container) address() error {
	ip := net.ParseIP(c.spec.Address).To4()
	if ip == nil || !c.host.root {
		return nil
	}
	return c.inNetwork(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		req, err := unix.NewIfreq("lo:1")
		if err != nil {
			return err
		}
		if err := req.SetInet4Addr(ip); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, req); err != nil {
			return fmt.Errorf("giving the container the address %s: %w", c.spec.Address, err)
		}
		return nil
	})
}
