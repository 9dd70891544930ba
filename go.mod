module chexp

go 1.26.0

require (
	github.com/gophercloud/gophercloud/v2 v2.15.0
	golang.org/x/crypto v0.55.0
	gopkg.in/yaml.v2 v2.4.0
)

require golang.org/x/sys v0.47.0 // indirect
