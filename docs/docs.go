// Package docs holds what the server shows of this folder.
package docs

import _ "embed"

// AsyncAPI describes the messages of /v1/events, as YAML.
//
//go:embed asyncapi.yaml
var AsyncAPI []byte
