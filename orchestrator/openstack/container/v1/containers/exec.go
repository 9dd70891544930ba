package containers

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
)

// MaxCommandURL is how long the encoded query of Execute may be, in bytes. The
// command travels in the request line, for which Apache, in front of Zun, has
// 8190 by default; the path needs some of it.
const MaxCommandURL = 7900

// tarRecord is what GNU tar reads at a time. Zun never closes the stream it
// feeds to tar, so an archive that does not fill its last record leaves tar
// waiting until Zun gives up [ZUN:zun/container/k8s/driver.py (put_archive)].
// Python's tarfile pads to it, Go's archive/tar does not.
const tarRecord = 10240

// Execute runs a command in a Running container and waits for at most Zun's
// execute_timeout, 5 s by default [ZUN:zun/conf/k8s.py]. The command is split
// like a shell would (quotes, backslashes), but no shell runs.
func Execute(ctx context.Context, client *gophercloud.ServiceClient, id, command string) (r ExecuteResult) {
	query := url.Values{"command": {command}, "run": {"true"}, "interactive": {"false"}}.Encode()
	if len(query) > MaxCommandURL {
		r.Err = gophercloud.ErrInvalidInput{
			ErrMissingInput: gophercloud.ErrMissingInput{Argument: "command"},
			Value:           fmt.Sprintf("%d bytes once encoded, of at most %d", len(query), MaxCommandURL),
		}
		return
	}
	resp, err := client.Post(ctx, actionURL(client, id, "execute")+"?"+query, nil, &r.Body, &gophercloud.RequestOpts{
		OkCodes: []int{200},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// PutArchive unpacks a tar below a directory that exists. Success does not
// mean that anything was unpacked: see the package comment. The path must have
// no blanks and no quotes, since it becomes part of a command line there.
func PutArchive(ctx context.Context, client *gophercloud.ServiceClient, id, path string, tar []byte) (r ActionResult) {
	body := bytes.NewReader(archiveBody(padRecord(tar)))
	resp, err := client.Post(ctx, actionURL(client, id, "put_archive")+"?"+pathQuery(path), body, nil,
		&gophercloud.RequestOpts{
			MoreHeaders: map[string]string{"Content-Type": "application/json"},
			OkCodes:     []int{200},
		})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	return
}

// archiveBody is a tar as the service wants it: base64 in an object in JSON, made in one
// piece of memory. encoding/json would hold it three times.
func archiveBody(tar []byte) []byte {
	const head, tail = `{"data":"`, `"}`
	body := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(tar))+len(tail))
	body = append(body, head...)
	body = base64.StdEncoding.AppendEncode(body, tar)
	return append(body, tail...)
}

// padRecord fills the last record with zeros, in a copy.
func padRecord(tar []byte) []byte {
	n := (len(tar) + tarRecord - 1) / tarRecord * tarRecord
	if n == len(tar) {
		return tar
	}
	padded := make([]byte, n)
	copy(padded, tar)
	return padded
}

// GetArchive retrieves a directory as a tar with members relative to it
// ("./a.json"). A file's path gives the file of that name in the container's
// working directory, or an empty tar [ZUN:zun/container/k8s/driver.py (get_archive)].
func GetArchive(ctx context.Context, client *gophercloud.ServiceClient, id, path string) (r ArchiveResult) {
	answer := new(archiveAnswer)
	resp, err := client.Get(ctx, actionURL(client, id, "get_archive")+"?"+pathQuery(path), answer,
		&gophercloud.RequestOpts{
			OkCodes: []int{200},
		})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	r.Body = answer
	return
}

func pathQuery(path string) string {
	return url.Values{"path": {path}}.Encode()
}
