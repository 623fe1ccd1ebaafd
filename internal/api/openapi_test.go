package api

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

var dialOptions = websocket.DialOptions{}

func TestOpenAPIDocument(t *testing.T) {
	r := newRig(t, settings{})
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
		}
	}
	if err := json.Unmarshal([]byte(r.body("/openapi.json")), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	var operations []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			operations = append(operations, method+" "+path)
			if secured := len(op.Security) > 0; secured != strings.HasPrefix(path, "/v1/") {
				t.Errorf("%s %s: security %v", method, path, op.Security)
			}
		}
	}
	for _, want := range []string{"post /v1/tickets", "get /v1/rejections", "get /v1/revocations", "post /v1/revocations",
		"get /health", "get /health/websocket", "get /ready"} {
		if !slices.Contains(operations, want) {
			t.Errorf("%s is missing from %v", want, operations)
		}
	}
}

// Members of JSON are written likeThis, parameters in a URL like_this.
func TestNamesInTheOpenAPIDocument(t *testing.T) {
	var doc any
	if err := json.Unmarshal([]byte(newRig(t, settings{}).body("/openapi.json")), &doc); err != nil {
		t.Fatal(err)
	}
	camel, snake := regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`), regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	members, parameters := 0, 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(at, e)
			}
		case map[string]any:
			if place, name := v["in"], v["name"]; place == "query" || place == "path" {
				if parameters++; !snake.MatchString(name.(string)) {
					t.Errorf("%s: parameter %s", at, name)
				}
			}
			properties, _ := v["properties"].(map[string]any)
			for name := range properties {
				if members++; !camel.MatchString(name) {
					t.Errorf("%s: member %s", at, name)
				}
			}
			for key, e := range v {
				if key != "example" && key != "examples" {
					walk(at+"/"+key, e)
				}
			}
		}
	}
	walk("", doc)
	if members < 100 || parameters < 40 {
		t.Errorf("only %d members and %d parameters were seen", members, parameters)
	}
}

// The page has to work, and to be safe, where nothing but this server can be reached.
func TestDocsPageIsComplete(t *testing.T) {
	page := newRig(t, settings{}).body("/docs")
	page = strings.ReplaceAll(page, "https://json-schema.org/draft/2020-12/schema", "") // a name
	for _, want := range []string{"/openapi.json", "POST /v1/tickets", "Authorization: Bearer", "Get a one-time ticket", "jti",
		"application/json-patch&#43;json", "add or remove or replace", "&#34;path&#34;: &#34;/lines/-&#34;", "application/x-ndjson", "text/csv"} {
		if !strings.Contains(page, want) {
			t.Errorf("/docs doesn't show %q", want)
		}
	}
	for _, foreign := range []string{"<script", "://", "src="} {
		if strings.Contains(page, foreign) {
			t.Errorf("/docs has %q, as a page that loads something from elsewhere", foreign)
		}
	}
}
